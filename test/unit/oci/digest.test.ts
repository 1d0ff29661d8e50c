import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import {
  digestAlgorithm,
  digestHasher,
  digestHex,
  digestOf,
  parseDigest,
  requireDigest,
} from '../../../src/oci/digest.ts'

const HEX = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

describe('digests', () => {
  it('are read in their canonical form', () => {
    assert.equal(parseDigest(`sha256:${HEX}`), `sha256:${HEX}`)
    assert.equal(parseDigest(`sha512:${HEX}${HEX}`), `sha512:${HEX}${HEX}`)
  })

  for (const text of [
    '',
    ':',
    HEX,
    `:${HEX}`,
    `sha256:${HEX.toUpperCase()}`,
    `SHA256:${HEX}`,
    `sha256:${HEX}0`,
    `sha256:${HEX.slice(1)}`,
    `sha256:${HEX.slice(1)}g`,
    `sha256:${HEX.slice(1)}\n`,
    `sha512:${HEX}`,
    `md5:${HEX.slice(32)}`,
    `sha256:sha256:${HEX}`,
    'constructor:',
    '__proto__:',
  ]) {
    it(`are not ${JSON.stringify(text)}`, () => {
      assert.equal(parseDigest(text), undefined)
      assert.throws(
        () => requireDigest(text),
        (error) => isShoalError(error, 'DIGEST_INVALID'),
      )
    })
  }

  it('are made of bytes, by the algorithm asked for', () => {
    const bytes = Buffer.from('shoal')
    for (const algorithm of ['sha256', 'sha512']) {
      const digest = digestOf(bytes, algorithm)
      assert.equal(digestAlgorithm(digest), algorithm)
      assert.equal(digestHex(digest), createHash(algorithm).update(bytes).digest('hex'))
      assert.equal(digestOf(bytes, digest), digest)
      assert.equal(parseDigest(digest), digest)
      assert.equal(digestHasher(digest).update(bytes).digest('hex'), digestHex(digest))
    }
    assert.equal(digestOf(new Uint8Array(0)), `sha256:${HEX}`)
  })
})
