import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import {
  isReferrerTag,
  MAX_BLOB_BYTES,
  MAX_DESCRIPTORS,
  MEDIA_TYPE,
  manifestChildren,
  parseManifest,
} from '../../../src/oci/manifest.ts'

const config = { digest: digestOf(Buffer.from('config')), size: 6, mediaType: 'application/json' }
const layer = {
  digest: digestOf(Buffer.from('layer')),
  size: 5,
  mediaType: 'application/x-tar',
  annotations: { a: 'b' },
}
const bytesOf = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))

describe('manifests', () => {
  it('of images name their config and layers, in order', () => {
    const other = { digest: digestOf(Buffer.from('other')), size: 5 }
    const manifest = parseManifest(
      bytesOf({ schemaVersion: 2, mediaType: MEDIA_TYPE.dockerManifest, config, layers: [layer, other] }),
    )
    assert.equal(manifest.kind, 'image')
    assert.equal(manifest.mediaType, MEDIA_TYPE.dockerManifest)
    assert.deepEqual(
      manifestChildren(manifest).map(({ digest, mediaType }) => [digest, mediaType]),
      [
        [config.digest, config.mediaType],
        [layer.digest, layer.mediaType],
        [other.digest, MEDIA_TYPE.octetStream],
      ],
    )
  })

  it('are refused for sizes that no blob can have, and for more descriptors than anybody needs', () => {
    const layer = { ...config, size: MAX_BLOB_BYTES }
    const one = (size: number) => bytesOf({ config, layers: [{ ...layer, size }] })
    assert.equal(manifestChildren(parseManifest(one(MAX_BLOB_BYTES)))[1]?.size, MAX_BLOB_BYTES)
    for (const size of [MAX_BLOB_BYTES + 1, 2 ** 50, 2 ** 53 - 1]) {
      assert.throws(() => parseManifest(one(size)), {
        code: 'MANIFEST_INVALID',
        message: /layers\.0\.size.*549755813888/,
      })
    }
    const many = (count: number) => bytesOf({ config, layers: Array.from({ length: count }, () => config) })
    assert.equal(manifestChildren(parseManifest(many(MAX_DESCRIPTORS))).length, MAX_DESCRIPTORS + 1)
    assert.throws(() => parseManifest(many(MAX_DESCRIPTORS + 1)), {
      code: 'MANIFEST_INVALID',
      message: /layers are 4097/,
    })
  })

  it('of indexes name manifests and their platforms', () => {
    const platform = { os: 'linux', architecture: 'arm64', variant: 'v8', 'os.version': '1' }
    const manifest = parseManifest(bytesOf({ schemaVersion: 2, manifests: [{ ...config, platform }] }))
    assert.equal(manifest.kind, 'index')
    const [child] = manifestChildren(manifest)
    assert.deepEqual(child?.platform, { os: 'linux', architecture: 'arm64', variant: 'v8' })
  })

  it('without a media type are told by their shape', () => {
    assert.equal(parseManifest(bytesOf({ manifests: [] })).mediaType, MEDIA_TYPE.ociIndex)
    assert.equal(parseManifest(bytesOf({ config })).mediaType, MEDIA_TYPE.ociManifest)
  })

  const child = { ...config, mediaType: MEDIA_TYPE.ociManifest }
  for (const [what, document, kind, children] of [
    ['layers that are null', { config, layers: null }, 'image', 1],
    ['manifests that are null', { schemaVersion: 2, manifests: null }, 'index', 0],
    ['a platform that is null', { manifests: [{ ...child, platform: null }] }, 'index', 1],
    ['an empty platform', { manifests: [{ ...child, platform: {} }] }, 'index', 1],
    ['half a platform', { manifests: [{ ...child, platform: { architecture: 'amd64' } }] }, 'index', 1],
    [
      'a variant that is null',
      { manifests: [{ ...child, platform: { os: 'a', architecture: 'b', variant: null } }] },
      'index',
      1,
    ],
    ['media types that are null', { mediaType: null, config, layers: [{ ...layer, mediaType: null }] }, 'image', 2],
    ['a config that is null beside manifests', { config: null, manifests: [child] }, 'index', 1],
    ['a layer without a size', { config, layers: [{ digest: layer.digest }] }, 'image', 1],
    [
      'a layer of another algorithm',
      { config, layers: [{ ...layer, digest: `sha384:${'a'.repeat(96)}` }] },
      'image',
      1,
    ],
    ['blobs alone, as artifacts had', { artifactType: 'application/x', blobs: [layer], subject: child }, 'artifact', 1],
  ] as const) {
    it(`may have ${what}`, () => {
      const manifest = parseManifest(bytesOf(document))
      assert.equal(manifest.kind, kind)
      assert.equal(manifestChildren(manifest).length, children)
    })
  }

  for (const [what, document] of [
    ['no JSON', '{'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['no object', 'null'],
    ['an array', '[]'],
    ['neither index nor image', { schemaVersion: 2 }],
    ['schema 1', { schemaVersion: 1, manifests: [] }],
    ['a wrong digest', { config: { ...config, digest: 'sha256:1' } }],
    ['a digest that is no text', { config: { ...config, digest: 1 } }],
    ['a negative size', { config: { ...config, size: -1 } }],
    ['a size that is no integer', { config: { ...config, size: 1.5 } }],
    ['layers that are no list', { config, layers: {} }],
  ] as const) {
    it(`are not ${what}`, () => {
      const bytes = document instanceof Uint8Array ? document : bytesOf(document)
      assert.throws(
        () => parseManifest(bytes),
        (error) => isShoalError(error, 'MANIFEST_INVALID'),
      )
    })
  }

  it('have referrers under tags of their own', () => {
    const hex = 'ab'.repeat(32)
    for (const tag of [`sha256-${hex}`, `sha256-${hex}.sig`, `sha512-${hex}.att`])
      assert.equal(isReferrerTag(tag), true)
    for (const tag of ['latest', 'sha256', 'sha256-', `sha256-${hex}.`, `xsha256-${hex}`, 'sha256-xyz'])
      assert.equal(isReferrerTag(tag), false, tag)
  })
})
