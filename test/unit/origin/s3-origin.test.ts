import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import S3rver from '@20minutes/s3rver'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { isShoalError } from '../../../src/base/errors.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import type { S3OriginSettings } from '../../../src/origin/index.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import { dataPath, deps, expectSampleBytes, never, readAll, sampleRepository, tagPath, tempDir } from './fixtures.ts'

const BUCKET = 'images'

async function startBucket(t: TestContext, prefix = '') {
  const server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    vhostBuckets: false,
    directory: await tempDir(t),
    configureBuckets: [{ name: BUCKET }],
  })
  const { port } = await server.run()
  const settings: S3OriginSettings = {
    kind: 's3',
    bucket: BUCKET,
    prefix,
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}`,
    forcePathStyle: true,
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
  }
  const client = new S3Client({
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}`,
    forcePathStyle: true,
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
  })
  const origin = openOrigin(settings, deps)
  t.after(async () => {
    await origin[Symbol.asyncDispose]()
    client.destroy()
    await server.close()
  })
  const put = (key: string, bytes: Uint8Array) =>
    client.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: bytes }))
  return { settings, origin, put }
}

async function openSample(t: TestContext, { prefix = '', keyPrefix = '' } = {}) {
  const bucket = await startBucket(t, prefix)
  const sample = sampleRepository()
  for (const [path, bytes] of sample.files) await bucket.put(keyPrefix + path, bytes)
  return { ...bucket, sample, query: { repository: sample.repository, signal: never } }
}

test('a tag resolves, is unchanged by its ETag (304), and resolves anew after a push', async (t) => {
  const { origin, put, sample, query } = await openSample(t)
  const first = await origin.resolveTag({ ...query, tag: 'v1' })
  assert.ok(first.kind === 'found')
  assert.equal(first.state.digest, sample.manifestDigest)
  assert.deepEqual(await origin.resolveTag({ ...query, tag: 'v1', known: first.state }), { kind: 'unchanged' })
  await put(tagPath(sample.repository, 'v1'), Buffer.from(sample.configDigest))
  const second = await origin.resolveTag({ ...query, tag: 'v1', known: first.state })
  assert.ok(second.kind === 'found')
  assert.equal(second.state.digest, sample.configDigest)
})

test('manifest, size and ranges come byte for byte', async (t) => {
  const { origin, sample, query } = await openSample(t)
  const manifest = await origin.manifest({ ...query, digest: sample.manifestDigest })
  assert.deepEqual(Buffer.from(manifest?.bytes ?? []), sample.manifest)
  await expectSampleBytes(origin, sample)
})

test('what is not there is unknown, and bytes without a link in this repository are not there', async (t) => {
  const { origin, sample, query } = await openSample(t)
  const digest = digestOf(Buffer.from('nowhere'))
  assert.deepEqual(await origin.resolveTag({ ...query, tag: 'v9' }), { kind: 'unknown' })
  assert.equal(await origin.manifest({ ...query, digest }), undefined)
  assert.equal(await origin.statBlob({ ...query, digest }), undefined)
  assert.equal(await origin.statBlob({ repository: 'other', digest: sample.blobDigest, signal: never }), undefined)
  assert.equal(await origin.manifest({ ...query, digest: sample.blobDigest }), undefined, 'a layer is no manifest')
  assert.equal(await origin.referrers({ ...query, digest }), undefined)
})

test('a prefix is put before every key, whatever slashes it was written with', async (t) => {
  const { origin, sample, query } = await openSample(t, { prefix: '/some/where/', keyPrefix: 'some/where/' })
  assert.equal((await origin.resolveTag({ ...query, tag: 'v1' })).kind, 'found')
  assert.deepEqual(await origin.statBlob({ ...query, digest: sample.blobDigest }), { size: sample.blob.length })
})

test('wrong size: an object of another length than expected is a change', async (t) => {
  const { origin, put, sample, query } = await openSample(t)
  await put(dataPath(sample.blobDigest), Buffer.from('longer or shorter'))
  const read = { ...query, digest: sample.blobDigest, size: sample.blob.length }
  for (const range of [
    { start: 0, end: 10 },
    { start: 1000, end: 2000 },
  ]) {
    await assert.rejects(origin.readBlob({ ...read, range }), (error) => isShoalError(error, 'ORIGIN_CHANGED'))
  }
})

test('an empty blob has size 0 and reads as nothing', async (t) => {
  const { origin, put, query } = await openSample(t)
  const digest = digestOf(Buffer.alloc(0))
  await put(dataPath(digest), Buffer.alloc(0))
  await put(`docker/registry/v2/repositories/team/app/_layers/sha256/${digest.slice(7)}/link`, Buffer.from(digest))
  assert.deepEqual(await origin.statBlob({ ...query, digest }), { size: 0 })
  const bytes = await readAll(await origin.readBlob({ ...query, digest, size: 0, range: { start: 0, end: 0 } }))
  assert.equal(bytes.length, 0)
})

test('wrong credentials are a denial that says what to do, a wrong bucket names the bucket', async (t) => {
  const { settings } = await openSample(t)
  const query = { repository: 'team/app', tag: 'v1', signal: never }
  const stranger = openOrigin({ ...settings, credentials: { accessKeyId: 'NO', secretAccessKey: 'NO' } }, deps)
  t.after(() => stranger[Symbol.asyncDispose]())
  await assert.rejects(stranger.resolveTag(query), (error) => {
    return isShoalError(error, 'ORIGIN_DENIED') && /credentials/.test(error.message)
  })
  const lost = openOrigin({ ...settings, bucket: 'elsewhere' }, deps)
  t.after(() => lost[Symbol.asyncDispose]())
  await assert.rejects(lost.resolveTag(query), (error) => {
    return isShoalError(error, 'ORIGIN_UNREACHABLE') && /elsewhere.*no such bucket/.test(error.message)
  })
})

test('path traversal refused before any key is made', async (t) => {
  const { origin, sample } = await openSample(t)
  const query = { repository: '../images/team/app', signal: never, digest: sample.blobDigest }
  await assert.rejects(origin.statBlob(query), (error) => isShoalError(error, 'NAME_INVALID'))
})

test('a store that nobody serves is unreachable', async () => {
  const settings: S3OriginSettings = {
    kind: 's3',
    bucket: BUCKET,
    prefix: '',
    region: 'us-east-1',
    endpoint: 'http://127.0.0.1:1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  }
  await using origin = openOrigin(settings, deps)
  await assert.rejects(origin.resolveTag({ repository: 'a', tag: 'b', signal: never }), (error) =>
    isShoalError(error, 'ORIGIN_UNREACHABLE'),
  )
})
