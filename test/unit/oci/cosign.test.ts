import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, it } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { readSignatureKey, readSignatures, signatureTag, signedBy } from '../../../src/oci/cosign.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { newSigner, payloadFor } from '../../support/cosign.ts'

const IMAGE = digestOf(Buffer.from('image'))
const OTHER = digestOf(Buffer.from('other'))
const alice = newSigner()
const key = { key: readSignatureKey(alice.publicKey, 'alice.pub') }
const strangers = { key: readSignatureKey(newSigner().publicKey, 'mallory.pub') }

const layer = (change: object = {}) => ({
  mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
  digest: OTHER,
  size: 250,
  annotations: { 'dev.cosignproject.cosign/signature': 'AAAA' },
  ...change,
})
const read = (value: unknown) => readSignatures(Buffer.from(JSON.stringify(value)))

describe("cosign's signatures", () => {
  it('lie under a tag that is made of the digest', () => {
    assert.equal(signatureTag(IMAGE), `sha256-${IMAGE.slice('sha256:'.length)}.sig`)
  })

  it('are the layers of their kind, whatever else there is', () => {
    const [one, ...others] = read({
      layers: [
        layer({ mediaType: 'application/octet-stream' }),
        layer({ annotations: {} }),
        layer({ annotations: { 'dev.cosignproject.cosign/signature': 'no base64' } }),
        layer({ size: 70_000 }),
        layer({ digest: 'sha256:short' }),
        null,
        layer(),
      ],
    })
    assert.deepEqual([one?.payload, one?.size, one?.signature.length, others], [OTHER, 250, 3, []])
    assert.equal(read({ layers: Array.from({ length: 100 }, () => layer()) }).length, 32)
    for (const foreign of [undefined, null, 7, [], {}, { layers: 'many' }]) assert.deepEqual(read(foreign ?? null), [])
    assert.deepEqual(readSignatures(Buffer.from('{')), [])
  })

  it('hold for the image that their payload names, by one of the keys', () => {
    const payload = payloadFor(IMAGE)
    const signature = sign('sha256', payload, alice.privateKey)
    assert.equal(signedBy([strangers, key], IMAGE, payload, signature), key)
    assert.equal(signedBy([strangers], IMAGE, payload, signature), undefined, 'of nobody who may')
    assert.equal(signedBy([key], OTHER, payload, signature), undefined, 'for another image')
    assert.equal(signedBy([key], IMAGE, payloadFor(IMAGE, 'other.test/app'), signature), undefined, 'of other bytes')
    for (const bit of [0, signature.length * 4, signature.length * 8 - 1]) {
      const changed = Buffer.from(signature)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      assert.equal(signedBy([key], IMAGE, payload, changed), undefined, `bit ${bit}`)
    }
    assert.equal(signedBy([key], IMAGE, payload, new Uint8Array()), undefined)
  })

  it('hold over nothing but what cosign signs', () => {
    for (const text of [
      '',
      '{',
      '{}',
      'null',
      `{"critical":{"type":"atomic","image":{"docker-manifest-digest":"${IMAGE}"}}}`,
    ]) {
      const payload = Buffer.from(text)
      assert.equal(signedBy([key], IMAGE, payload, sign('sha256', payload, alice.privateKey)), undefined, text)
    }
  })

  it('are checked with public keys of their kind alone', () => {
    const pem = (pair: { publicKey: { export: (options: never) => unknown } }) =>
      String(pair.publicKey.export({ type: 'spki', format: 'pem' } as never))
    const wrong = [
      '',
      'no key',
      String(alice.privateKey.export({ type: 'pkcs8', format: 'pem' })),
      pem(generateKeyPairSync('rsa', { modulusLength: 2048 })),
      pem(generateKeyPairSync('ed25519')),
      pem(generateKeyPairSync('ec', { namedCurve: 'secp384r1' })),
    ]
    for (const text of wrong) {
      assert.throws(
        () => readSignatureKey(text, 'k.pub'),
        (error) => isShoalError(error, 'CONFIG_INVALID'),
        text,
      )
    }
  })
})
