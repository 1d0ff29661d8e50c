import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { digestHex } from '../../../src/oci/digest.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import { deps, never, readAll, sampleRepository, tempDir, writeTree } from './fixtures.ts'

const sample = sampleRepository()
const TAG = 'org.opencontainers.image.ref.name'
const NAME = 'io.containerd.image.name'

/** A layout with the sample's image in it, once for each set of annotations. */
function layoutFiles(folder: string, annotations: readonly Record<string, string>[]): Map<string, Uint8Array> {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifests = annotations.map((each) => ({
    mediaType,
    digest: sample.manifestDigest,
    size: sample.manifest.length,
    annotations: each,
  }))
  const blobs = [sample.manifest, sample.config, sample.blob]
  const digests = [sample.manifestDigest, sample.configDigest, sample.blobDigest]
  return new Map<string, Uint8Array>([
    [`${folder}oci-layout`, Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    [`${folder}index.json`, Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }))],
    ...blobs.map((bytes, i) => [`${folder}blobs/sha256/${digestHex(digests[i]!)}`, bytes] as const),
  ])
}

async function openLayout(t: TestContext, files: ReadonlyMap<string, Uint8Array>) {
  const path = await tempDir(t)
  await writeTree(path, files)
  const origin = openOrigin({ kind: 'layout', path }, deps)
  t.after(() => origin[Symbol.asyncDispose]())
  const query = (repository: string) => ({ repository, signal: never })
  return { origin, query }
}

test('a layout at the path serves its tags for any repository, and whole references for theirs', async (t) => {
  const { origin, query } = await openLayout(
    t,
    layoutFiles('', [{ [TAG]: 'v1' }, { [TAG]: 'team/app:v2' }, { [NAME]: 'docker.io/library/nginx:1', [TAG]: '1' }]),
  )
  const found = { kind: 'found', state: { digest: sample.manifestDigest } }
  assert.deepEqual(await origin.resolveTag({ ...query('what/ever'), tag: 'v1' }), found)
  assert.deepEqual(await origin.resolveTag({ ...query('team/app'), tag: 'v2' }), found)
  assert.deepEqual(await origin.resolveTag({ ...query('other'), tag: 'v2' }), { kind: 'unknown' })
  assert.deepEqual(await origin.resolveTag({ ...query('library/nginx'), tag: '1' }), found)
  const known = { digest: sample.manifestDigest }
  assert.deepEqual(await origin.resolveTag({ ...query('team/app'), tag: 'v2', known }), { kind: 'unchanged' })
  assert.deepEqual(await origin.listTags(query('team/app')), { tags: ['v1', 'v2'], more: false })
  assert.deepEqual(await origin.listTags({ ...query('team/app'), limit: 1 }), { tags: ['v1'], more: true })
})

test('a layout gives manifests, sizes and ranges, and nothing for what it does not hold', async (t) => {
  const { origin, query } = await openLayout(t, layoutFiles('', [{ [TAG]: 'v1' }]))
  const manifest = await origin.manifest({ ...query('app'), digest: sample.manifestDigest })
  assert.equal(manifest?.mediaType, 'application/vnd.oci.image.manifest.v1+json')
  assert.deepEqual(Buffer.from(manifest.bytes), sample.manifest)
  const blob = { ...query('app'), digest: sample.blobDigest, size: sample.blob.length }
  assert.deepEqual(await origin.statBlob(blob), { size: sample.blob.length })
  const range = { start: 1000, end: 5000 }
  assert.ok((await readAll(await origin.readBlob({ ...blob, range }))).equals(sample.blob.subarray(1000, 5000)))
  const absent = `sha256:${'0'.repeat(64)}` as typeof sample.blobDigest
  assert.equal(await origin.statBlob({ ...query('app'), digest: absent }), undefined)
  assert.equal(await origin.manifest({ ...query('app'), digest: absent }), undefined)
})

test('a directory of layouts has one for each repository, which reads only its own', async (t) => {
  const { origin, query } = await openLayout(t, layoutFiles('team/app/', [{ [TAG]: 'v1' }]))
  assert.equal((await origin.resolveTag({ ...query('team/app'), tag: 'v1' })).kind, 'found')
  assert.equal((await origin.resolveTag({ ...query('team/other'), tag: 'v1' })).kind, 'unknown')
  assert.equal(await origin.statBlob({ ...query('team/other'), digest: sample.blobDigest }), undefined)
  assert.equal(await origin.listTags(query('team/other')), undefined)
})

test('an index that is none is an outage, not "no such tag"', async (t) => {
  const { origin, query } = await openLayout(t, new Map([['index.json', Buffer.from('<html>')]]))
  await assert.rejects(origin.resolveTag({ ...query('app'), tag: 'v1' }), /index\.json is no index/)
})
