import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { BuiltImage } from '../../../src/demo/index.ts'
import { blobKey, buildImage, S3Origin, tagKey, writeToBucketTree } from '../../../src/demo/index.ts'
import { TempDir } from '../../support/temp-dir.ts'

let temp: TempDir
let origin: S3Origin
let image: BuiltImage

before(async () => {
  temp = await TempDir.make()
  origin = await S3Origin.start()
  image = await buildImage(join(temp.path, 'blobs'), { sizeBytes: 2 * 1024 * 1024 })
  const tree = join(temp.path, 'tree')
  await writeToBucketTree(tree, { repository: 'team/app', tag: '1' }, image)
  await origin.copyTree(tree)
})
beforeEach(async () => {
  await origin.setFaults({})
  await origin.resetCounters()
})
after(async () => {
  await origin[Symbol.asyncDispose]()
  await temp[Symbol.asyncDispose]()
})

async function read(key: string, signal = AbortSignal.timeout(20_000)): Promise<Uint8Array> {
  const { Body } = await origin.client.send(new GetObjectCommand({ Bucket: origin.bucket, Key: key }), {
    abortSignal: signal,
  })
  return (await Body?.transformToByteArray()) ?? new Uint8Array()
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

test('holds the image in the layout of a Distribution registry', async () => {
  assert.equal(new TextDecoder().decode(await read(tagKey('team/app', '1'))), image.manifest.digest)
  const hex = image.layers[0]?.digest.slice(7)
  const link = `docker/registry/v2/repositories/team/app/_layers/sha256/${hex}/link`
  assert.equal(new TextDecoder().decode(await read(link)), image.layers[0]?.digest)
  for (const { digest } of [image.manifest, image.config, ...image.layers]) {
    assert.equal(sha256(await read(blobKey(digest))), digest)
  }
})

test('counts requests and bytes by what they are for', async () => {
  await read(tagKey('team/app', '1'))
  await read(blobKey(image.manifest.digest))
  for (const { digest } of image.layers) await read(blobKey(digest))
  const { byKind, requests, bytes } = await origin.counters()
  assert.deepEqual(byKind.tag, { requests: 1, bytes: 71 })
  assert.deepEqual(byKind.manifest, { requests: 1, bytes: image.manifest.size })
  const layerBytes = image.layers.reduce((sum, { size }) => sum + size, 0)
  assert.deepEqual(byKind.blob, { requests: image.layers.length, bytes: layerBytes })
  assert.deepEqual([requests, bytes], [2 + image.layers.length, 71 + image.manifest.size + layerBytes])
})

test('counts only the bytes of a range', async () => {
  const command = new GetObjectCommand({
    Bucket: origin.bucket,
    Key: blobKey(image.layers[0]?.digest ?? image.config.digest),
    Range: 'bytes=1000-1999',
  })
  const { Body } = await origin.client.send(command)
  assert.equal((await Body?.transformToByteArray())?.length, 1000)
  assert.deepEqual((await origin.counters()).byKind.blob, { requests: 1, bytes: 1000 })
})

test('gives wrong bytes for a key on request, and right ones once healed', async () => {
  const digest = image.layers[0]?.digest ?? image.config.digest
  await origin.setFaults({ corrupt: [digest.slice(7)] })
  assert.notEqual(sha256(await read(blobKey(digest))), digest)
  assert.equal(sha256(await read(blobKey(image.config.digest))), image.config.digest)
  await origin.setFaults({})
  assert.equal(sha256(await read(blobKey(digest))), digest)
})

test('cuts blobs short on request', async () => {
  await origin.setFaults({ cutAfterBytes: 5000 })
  await assert.rejects(read(blobKey(image.layers[0]?.digest ?? image.config.digest)), /aborted|terminated|socket/i)
  assert.equal((await origin.counters()).byKind.blob.bytes, 5000)
})

test('answers an error status on request', async () => {
  await origin.setFaults({ status: 403 })
  await assert.rejects(read(blobKey(image.config.digest)), (error: { $metadata?: { httpStatusCode?: number } }) => {
    return error.$metadata?.httpStatusCode === 403
  })
})

test('says nothing on request, though it counts what it was asked', async () => {
  await origin.setFaults({ silent: true })
  const controller = new AbortController()
  const pending = read(blobKey(image.config.digest), controller.signal)
  pending.catch(() => {})
  while ((await origin.counters()).requests === 0);
  controller.abort()
  await assert.rejects(pending, { name: 'AbortError' })
  assert.equal((await origin.counters()).bytes, 0)
})
