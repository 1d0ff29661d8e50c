import assert from 'node:assert/strict'
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { createSecureContext } from 'node:tls'
import { makeSelfSigned } from '../../../src/swarm/self-signed.ts'

test('a certificate parses, is signed by its own key, never expires, and has the fingerprint that is told', () => {
  const made = makeSelfSigned()
  const certificate = new X509Certificate(made.certificate)
  assert.ok(certificate.verify(certificate.publicKey))
  assert.ok(certificate.checkPrivateKey(createPrivateKey(made.key)))
  assert.equal(certificate.publicKey.asymmetricKeyType, 'ed25519')
  assert.equal(certificate.subject, 'CN=shoal')
  assert.equal(certificate.validToDate.getUTCFullYear(), 9999)
  assert.deepEqual(createHash('sha256').update(certificate.raw).digest(), Buffer.from(made.fingerprint))
  assert.equal(
    certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    Buffer.from(made.fingerprint).toString('hex'),
  )
  createSecureContext({ key: made.key, cert: made.certificate })
})

test('every process has its own key', () => {
  assert.notDeepEqual(makeSelfSigned().fingerprint, makeSelfSigned().fingerprint)
})
