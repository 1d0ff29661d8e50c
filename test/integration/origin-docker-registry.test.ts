import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join, relative } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import S3rver from '@20minutes/s3rver'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { request } from 'undici'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { Origin } from '../../src/origin/index.ts'
import { openOrigin, openOriginChain } from '../../src/origin/index.ts'
import { eventually } from '../support/eventually.ts'
import type { SampleRepository } from '../unit/origin/fixtures.ts'
import { deps, never, readAll, sampleRepository, tempDir } from '../unit/origin/fixtures.ts'

const BINARY = '/usr/bin/docker-registry'
const skip = existsSync(BINARY) ? false : `${BINARY} is not installed (Debian package docker-registry)`
const BUCKET = 'images'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Debian's registry over a directory, ended by its process id after the test. */
async function startRegistry(t: TestContext): Promise<{ url: string; root: string }> {
  const root = await tempDir(t)
  const port = await freePort()
  const config = join(await tempDir(t), 'config.yml')
  const lines = [
    'version: 0.1',
    'log: { level: error, accesslog: { disabled: true } }',
    `storage: { filesystem: { rootdirectory: ${root} } }`,
    `http: { addr: "127.0.0.1:${port}", secret: test }`,
  ]
  await writeFile(config, lines.join('\n'))
  const child = spawn(BINARY, ['serve', config], { stdio: 'ignore' })
  t.after(async () => {
    const gone = once(child, 'exit')
    if (child.exitCode === null && child.kill('SIGKILL')) await gone
  })
  const url = `http://127.0.0.1:${port}`
  await eventually('the registry answers', async () => {
    const answer = await request(`${url}/v2/`).catch(() => undefined)
    await answer?.body.dump()
    return answer?.statusCode === 200
  })
  return { url, root }
}

async function pushBlob(url: string, repository: string, bytes: Uint8Array): Promise<void> {
  const begun = await request(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
  await begun.body.dump()
  const target = new URL(String(begun.headers.location), url)
  target.searchParams.set('digest', digestOf(bytes))
  const headers = { 'content-type': 'application/octet-stream' }
  const done = await request(target, { method: 'PUT', body: bytes, headers })
  await done.body.dump()
  assert.equal(done.statusCode, 201)
}

async function push(url: string, sample: SampleRepository, tags: readonly string[]): Promise<void> {
  await pushBlob(url, sample.repository, sample.blob)
  await pushBlob(url, sample.repository, sample.config)
  for (const tag of tags) {
    const answer = await request(`${url}/v2/${sample.repository}/manifests/${tag}`, {
      method: 'PUT',
      body: sample.manifest,
      headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
    })
    await answer.body.dump()
    assert.equal(answer.statusCode, 201)
  }
}

/** An S3-compatible server with a copy of the registry's tree. */
async function copyToBucket(t: TestContext, root: string): Promise<string> {
  const server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    vhostBuckets: false,
    directory: await tempDir(t),
    configureBuckets: [{ name: BUCKET }],
  })
  const { port } = await server.run()
  const endpoint = `http://127.0.0.1:${port}`
  const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
  const client = new S3Client({ region: 'us-east-1', endpoint, forcePathStyle: true, credentials })
  t.after(async () => {
    client.destroy()
    await server.close()
  })
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: relative(root, path), Body: await readFile(path) }))
  }
  return endpoint
}

async function assertServes(origin: Origin, sample: SampleRepository): Promise<void> {
  const query = { repository: sample.repository, signal: never }
  const tag = await origin.resolveTag({ ...query, tag: 'v1' })
  assert.ok(tag.kind === 'found', origin.label)
  assert.equal(tag.state.digest, sample.manifestDigest)
  assert.deepEqual(await origin.resolveTag({ ...query, tag: 'v1', known: tag.state }), { kind: 'unchanged' })
  const manifest = await origin.manifest({ ...query, digest: sample.manifestDigest })
  assert.ok(manifest)
  assert.equal(digestOf(manifest.bytes), sample.manifestDigest)
  for (const [digest, bytes] of [
    [sample.blobDigest, sample.blob],
    [sample.configDigest, sample.config],
  ] as const) {
    assert.deepEqual(await origin.statBlob({ ...query, digest }), { size: bytes.length })
    const end = bytes.length
    for (const range of [
      { start: 0, end },
      { start: 1, end: end - 1 },
      { start: end - 1, end },
    ]) {
      const read = await readAll(await origin.readBlob({ ...query, digest, size: end, range }))
      assert.ok(read.equals(bytes.subarray(range.start, range.end)), `${origin.label} ${range.start}-${range.end}`)
    }
  }
  await assertUnknown(origin, sample, digestOf(Buffer.from('nowhere')))
}

async function assertUnknown(origin: Origin, sample: SampleRepository, digest: Digest): Promise<void> {
  const query = { repository: sample.repository, signal: never }
  assert.deepEqual(await origin.resolveTag({ ...query, tag: 'v9' }), { kind: 'unknown' })
  assert.equal(await origin.manifest({ ...query, digest }), undefined)
  assert.equal(await origin.statBlob({ ...query, digest }), undefined)
  assert.equal(await origin.readBlob({ ...query, digest, size: 9, range: { start: 0, end: 9 } }), undefined)
  assert.equal(await origin.statBlob({ ...query, repository: 'no/such', digest: sample.blobDigest }), undefined)
  assert.equal(await origin.referrers({ ...query, digest: sample.manifestDigest }), undefined)
}

test('an image pushed to a real registry reads alike over HTTP, from its directory and from a bucket', {
  skip,
}, async (t) => {
  const { url, root } = await startRegistry(t)
  const sample = sampleRepository({ repository: 'team/sub/app', blobBytes: 700_001 })
  const tags = ['v1', 'v1-rc1', 'v1.0', 'latest']
  await push(url, sample, tags)
  const endpoint = await copyToBucket(t, root)
  const s3 = {
    kind: 's3' as const,
    bucket: BUCKET,
    prefix: '',
    region: 'us-east-1',
    endpoint,
    forcePathStyle: true,
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
  }
  const registry = { kind: 'registry' as const, url }
  const directory = { kind: 'directory' as const, path: root }
  for (const config of [{ ...registry, access: 'public' as const }, directory, s3]) {
    await using origin = openOrigin(config, deps)
    await assertServes(origin, sample)
    if (origin.kind === 's3') continue // s3rver does not roll up deep folders into common prefixes
    const list = { repository: sample.repository, signal: never }
    assert.deepEqual(await origin.listTags(list), { tags: [...tags].sort(), more: false })
    assert.deepEqual(await origin.listTags({ ...list, limit: 2, after: 'latest' }), {
      tags: ['v1', 'v1-rc1'],
      more: true,
    })
    assert.equal(await origin.listTags({ ...list, repository: 'no/such' }), undefined)
  }
  await using chain = openOriginChain({ name: 'corp', access: 'node', origins: [s3, registry, directory] }, deps)
  const read = { repository: sample.repository, signal: never, digest: sample.blobDigest, size: sample.blob.length }
  const bytes = await readAll(await chain.readBlob({ ...read, range: { start: 0, end: sample.blob.length } }))
  assert.ok(bytes.equals(sample.blob))
})
