import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf, referrersTag } from '../../../src/oci/digest.ts'
import {
  blobDataPath,
  layerLinkPath,
  parseLink,
  revisionLinkPath,
  tagLinkPath,
} from '../../../src/origin/distribution-layout.ts'

const digest = `sha256:ab${'0'.repeat(62)}` as Digest

test('paths are those a Distribution registry writes', () => {
  const hex = digest.slice(7)
  assert.equal(blobDataPath(digest), `docker/registry/v2/blobs/sha256/ab/${hex}/data`)
  assert.equal(layerLinkPath('a/b', digest), `docker/registry/v2/repositories/a/b/_layers/sha256/${hex}/link`)
  assert.equal(
    revisionLinkPath('a', digest),
    `docker/registry/v2/repositories/a/_manifests/revisions/sha256/${hex}/link`,
  )
  assert.equal(tagLinkPath('a', 'v1.0'), 'docker/registry/v2/repositories/a/_manifests/tags/v1.0/current/link')
})

test('path traversal refused: names, tags and digests outside their grammar make no path', () => {
  for (const name of ['..', '../etc', 'a/../b', 'a//b', '/a', 'a/', 'A', 'a/_layers', '%2e%2e', 'a\0b', '']) {
    assert.throws(
      () => layerLinkPath(name, digest),
      (error) => isShoalError(error, 'NAME_INVALID'),
      name,
    )
  }
  for (const tag of ['..', '../../x', 'a/b', '', '.hidden', 'x'.repeat(129)]) {
    assert.throws(
      () => tagLinkPath('a', tag),
      (error) => isShoalError(error, 'REFERENCE_INVALID'),
      tag,
    )
  }
  for (const text of ['sha256:../../../etc/passwd', 'sha256:AB', 'md5:00', 'sha256:']) {
    assert.throws(
      () => blobDataPath(text as Digest),
      (error) => isShoalError(error, 'DIGEST_INVALID'),
      text,
    )
  }
})

test('a link is a digest, with or without white space around it, or nothing', () => {
  assert.equal(parseLink(Buffer.from(digest)), digest)
  assert.equal(parseLink(Buffer.from(`${digest}\n`)), digest)
  for (const text of ['', 'sha256:', `${digest}${digest}`, 'hello']) {
    assert.equal(parseLink(Buffer.from(text)), undefined, text)
  }
})

test('the referrers tag of a long digest is cut to 64 characters', () => {
  assert.equal(referrersTag(digest), `sha256-${digest.slice(7)}`)
  assert.match(referrersTag(digestOf(Buffer.from('x'), 'sha512')), /^sha512-[0-9a-f]{64}$/)
})
