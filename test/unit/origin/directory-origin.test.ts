import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import type { Warning } from './fixtures.ts'
import {
  dataPath,
  deps,
  expectSampleBytes,
  never,
  sampleRepository,
  tagPath,
  tempDir,
  warningLogger,
  writeTree,
} from './fixtures.ts'

async function openSample(t: TestContext, sample = sampleRepository()) {
  const root = await tempDir(t)
  await writeTree(root, sample.files)
  const origin = openOrigin({ kind: 'directory', path: root }, deps)
  t.after(() => origin[Symbol.asyncDispose]())
  return { root, origin, sample, query: { repository: sample.repository, signal: never } }
}

test('a tag resolves to its digest, then is unchanged until its link is written again', async (t) => {
  const { root, origin, sample, query } = await openSample(t)
  const first = await origin.resolveTag({ ...query, tag: 'v1' })
  assert.ok(first.kind === 'found')
  assert.equal(first.state.digest, sample.manifestDigest)
  assert.deepEqual(await origin.resolveTag({ ...query, tag: 'v1', known: first.state }), { kind: 'unchanged' })
  const path = join(root, tagPath(sample.repository, 'v1'))
  await writeFile(path, sample.configDigest)
  await utimes(path, 1, 1)
  const second = await origin.resolveTag({ ...query, tag: 'v1', known: first.state })
  assert.ok(second.kind === 'found')
  assert.equal(second.state.digest, sample.configDigest)
})

test('what is not there is unknown: tag, repository, manifest, blob, and an empty directory', async (t) => {
  const { origin, sample, query } = await openSample(t)
  const digest = digestOf(Buffer.from('nowhere'))
  assert.deepEqual(await origin.resolveTag({ ...query, tag: 'v9' }), { kind: 'unknown' })
  assert.deepEqual(await origin.resolveTag({ ...query, repository: 'no', tag: 'v1' }), { kind: 'unknown' })
  assert.equal(await origin.manifest({ ...query, digest }), undefined)
  assert.equal(await origin.statBlob({ ...query, digest }), undefined)
  assert.equal(await origin.readBlob({ ...query, digest, size: 5, range: { start: 0, end: 5 } }), undefined)
  assert.equal(await origin.listTags({ ...query, repository: 'no' }), undefined)
  assert.equal(await origin.manifest({ ...query, digest: sample.blobDigest }), undefined, 'a layer is no manifest')
})

test('a manifest and a range of a blob come byte for byte', async (t) => {
  const { origin, sample, query } = await openSample(t)
  const manifest = await origin.manifest({ ...query, digest: sample.manifestDigest })
  assert.deepEqual(Buffer.from(manifest?.bytes ?? []), sample.manifest)
  await expectSampleBytes(origin, sample)
})

test('a blob without a link in this repository is not there, although its bytes are', async (t) => {
  const { origin, sample } = await openSample(t)
  const other = { repository: 'other/app', signal: never, digest: sample.blobDigest }
  assert.equal(await origin.statBlob(other), undefined)
  assert.equal(await origin.readBlob({ ...other, size: 3, range: { start: 0, end: 3 } }), undefined)
})

test('wrong size: a blob of another length than expected is a change', async (t) => {
  const { origin, sample, query } = await openSample(t)
  const read = { ...query, digest: sample.blobDigest, size: 1, range: { start: 0, end: 1 } }
  await assert.rejects(origin.readBlob(read), (error) => isShoalError(error, 'ORIGIN_CHANGED'))
  const nothing = { ...read, size: 0, range: { start: 0, end: 0 } }
  await assert.rejects(origin.readBlob(nothing), (error) => isShoalError(error, 'ORIGIN_CHANGED'))
})

test('a file that shrinks while it is read is a change, not a short read', async (t) => {
  const { root, origin, sample, query } = await openSample(t, sampleRepository({ blobBytes: 600_000 }))
  const size = sample.blob.length
  const chunks = await origin.readBlob({ ...query, digest: sample.blobDigest, size, range: { start: 0, end: size } })
  assert.ok(chunks)
  const reading = (async () => {
    for await (const _chunk of chunks) await truncate(join(root, dataPath(sample.blobDigest)), 1)
  })()
  await assert.rejects(reading, (error) => isShoalError(error, 'ORIGIN_CHANGED'))
})

test('path traversal refused: a repository that is no repository name is never looked up', async (t) => {
  const { origin, sample } = await openSample(t)
  const query = { repository: '../team/app', signal: never }
  const refused = (error: unknown): boolean => isShoalError(error, 'NAME_INVALID')
  await assert.rejects(origin.resolveTag({ ...query, tag: 'v1' }), refused)
  await assert.rejects(origin.statBlob({ ...query, digest: sample.blobDigest }), refused)
  await assert.rejects(origin.listTags(query), refused)
  await assert.rejects(origin.statBlob({ ...query, repository: 'a', digest: 'sha256:../../x' as Digest }), (error) =>
    isShoalError(error, 'DIGEST_INVALID'),
  )
})

test('symlink out of root refused, symlink within it followed', async (t) => {
  const { root, origin, sample, query } = await openSample(t)
  const data = join(root, dataPath(sample.blobDigest))
  const outside = join(await tempDir(t), 'secret')
  await writeFile(outside, sample.blob)
  await rm(data)
  await symlink(outside, data)
  const digest = sample.blobDigest
  await assert.rejects(origin.statBlob({ ...query, digest }), (error) => isShoalError(error, 'ORIGIN_DENIED'))
  await rm(data)
  await writeFile(join(root, 'inside'), sample.blob)
  await symlink(join(root, 'inside'), data)
  assert.deepEqual(await origin.statBlob({ ...query, digest }), { size: sample.blob.length })
})

test('a folder out of root is refused as well', async (t) => {
  const { root, origin, query } = await openSample(t)
  const elsewhere = await tempDir(t)
  await mkdir(join(elsewhere, 'v1'))
  const tags = dirname(dirname(dirname(join(root, tagPath('linked', 'v1')))))
  await mkdir(dirname(tags), { recursive: true })
  await symlink(elsewhere, tags)
  await assert.rejects(origin.listTags({ ...query, repository: 'linked' }), (error) =>
    isShoalError(error, 'ORIGIN_DENIED'),
  )
})

test('a FIFO or directory in place of a file does not hang and is not there', async (t) => {
  const { root, origin, query } = await openSample(t)
  const fifo = join(root, tagPath('pipe', 'v1'))
  await mkdir(dirname(fifo), { recursive: true })
  execFileSync('mkfifo', [fifo])
  await mkdir(join(root, tagPath('folder', 'v1')), { recursive: true })
  assert.deepEqual(await origin.resolveTag({ ...query, repository: 'pipe', tag: 'v1' }), { kind: 'unknown' })
  assert.deepEqual(await origin.resolveTag({ ...query, repository: 'folder', tag: 'v1' }), { kind: 'unknown' })
})

test('a link without a digest, or a manifest above the limit, is an error', async (t) => {
  const { root, origin, sample, query } = await openSample(t)
  await writeFile(join(root, tagPath(sample.repository, 'v1')), '')
  await assert.rejects(origin.resolveTag({ ...query, tag: 'v1' }), (error) => isShoalError(error, 'ORIGIN_CHANGED'))
  await truncate(join(root, dataPath(sample.manifestDigest)), 4 * 1024 * 1024 + 1)
  await assert.rejects(origin.manifest({ ...query, digest: sample.manifestDigest }), (error) =>
    isShoalError(error, 'MANIFEST_INVALID'),
  )
})

test('tags come in lexical order, page by page', async (t) => {
  const { root, origin, query } = await openSample(t)
  for (const tag of ['b', 'a', 'a-1', 'B', '_x', 'a.0']) {
    await writeTree(root, [[tagPath('tags', tag), Buffer.from('')]])
  }
  const list = (limit?: number, after?: string) => origin.listTags({ ...query, repository: 'tags', limit, after })
  assert.deepEqual(await list(), { tags: ['B', '_x', 'a', 'a-1', 'a.0', 'b'], more: false })
  assert.deepEqual(await list(2), { tags: ['B', '_x'], more: true })
  assert.deepEqual(await list(4, 'a'), { tags: ['a-1', 'a.0', 'b'], more: false })
  assert.deepEqual(await list(3, 'b'), { tags: [], more: false })
  assert.deepEqual(await list(0), { tags: [], more: false })
})

test('referrers are found by their tag, for lack of an API', async (t) => {
  const { root, origin, sample, query } = await openSample(t)
  assert.equal(await origin.referrers({ ...query, digest: sample.manifestDigest }), undefined)
  const tag = `sha256-${sample.configDigest.slice(7)}`
  await writeTree(root, [[tagPath(sample.repository, tag), Buffer.from(sample.manifestDigest)]])
  const found = await origin.referrers({ ...query, digest: sample.configDigest })
  assert.deepEqual(Buffer.from(found?.bytes ?? []), sample.manifest)
})

test('a directory that does not exist yet is empty, with one warning', async (t) => {
  const warnings: Warning[] = []
  const path = join(await tempDir(t), 'later')
  const origin = openOrigin({ kind: 'directory', path }, { ...deps, logger: warningLogger(warnings) })
  const sample = sampleRepository()
  const query = { repository: sample.repository, signal: never }
  assert.deepEqual(await origin.resolveTag({ ...query, tag: 'v1' }), { kind: 'unknown' })
  assert.equal(await origin.listTags(query), undefined)
  assert.equal(warnings.length, 1)
  await writeTree(path, sample.files)
  assert.equal((await origin.resolveTag({ ...query, tag: 'v1' })).kind, 'found')
})

test('an aborted read ends with the reason', async (t) => {
  const { origin, sample } = await openSample(t, sampleRepository({ blobBytes: 600_000 }))
  const controller = new AbortController()
  const reason = new Error('gone home')
  const query = { repository: sample.repository, digest: sample.blobDigest, signal: controller.signal }
  const chunks = await origin.readBlob({ ...query, size: 600_000, range: { start: 0, end: 600_000 } })
  assert.ok(chunks)
  const reading = (async () => {
    for await (const _chunk of chunks) controller.abort(reason)
  })()
  await assert.rejects(reading, reason)
  await assert.rejects(origin.statBlob(query), reason)
})

/** Directories that are no registry's root, and what is told of each; an empty one only has nothing yet. */
const misplaced: readonly [what: string, files: Record<string, string>, tells: RegExp | undefined][] = [
  ['is empty', {}, undefined],
  ['is not there', { gone: '' }, undefined],
  ['is an OCI image layout', { 'oci-layout': '{}', 'index.json': '{}', 'blobs/sha256/x': '' }, /use kind: layout/],
  [
    'lies one level too deep',
    { 'registry/v2/repositories/x': '' },
    /inside a registry's; name the one that holds docker/,
  ],
  ['lies two levels too deep', { 'v2/repositories/x': '' }, /inside a registry's/],
  ['lies three levels too deep', { 'repositories/x': '', 'blobs/x': '' }, /inside a registry's/],
  ['holds something else', { 'readme.txt': 'x' }, /holds no docker\/registry\/v2; name a registry's rootdirectory/],
  ['is right, without this tag', { 'docker/registry/v2/repositories/x': '' }, undefined],
]
for (const [what, files, tells] of misplaced) {
  test(`a directory that ${what} ${tells === undefined ? 'has no such tag' : 'is a mistake that is told'}`, async (t) => {
    const root = join(await tempDir(t), what === 'is not there' ? 'none' : '.')
    if (what !== 'is not there')
      await writeTree(
        root,
        Object.entries(files).map(([name, text]) => [name, Buffer.from(text)]),
      )
    await using origin = openOrigin({ kind: 'directory', path: root }, deps)
    const asks = [
      () => origin.resolveTag({ repository: 'team/app', tag: 'v1', signal: never }),
      () => origin.listTags({ repository: 'team/app', signal: never }),
    ]
    for (const ask of asks) {
      if (tells === undefined) assert.deepEqual((await ask()) ?? { kind: 'unknown' }, { kind: 'unknown' })
      else await assert.rejects(ask(), (error) => isShoalError(error, 'CONFIG_INVALID') && tells.test(error.message))
    }
  })
}
