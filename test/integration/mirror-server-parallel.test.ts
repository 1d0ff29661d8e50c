import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { MemoryContent } from '../support/memory-content.ts'
import { openMirror } from '../support/open-mirror.ts'
import { parallelFetch } from '../support/parallel-fetch.ts'
import { tempDir } from '../support/temp-dir.ts'

const content = new MemoryContent()

function seededBytes(bytes: number, seed: number): Buffer {
  const buffer = Buffer.alloc(bytes)
  for (let i = 0; i < bytes; i++) buffer[i] = (i * 31 + seed + (i >> 8)) & 0xff
  return buffer
}

test('a layer is written little further than the chunks of a parallel fetch, whose clients leave content', async (t) => {
  const bytes = seededBytes(32 * 1024 * 1024, 10)
  const { digest, blob } = content.putBlob('local', 'parallel', bytes)
  blob.chunkBytes = 1024 * 1024
  const path = join(await tempDir(t), 'layer')
  await writeFile(path, bytes)
  const size = bytes.length
  for (const [chunkBytes, workers] of [
    [1024 * 1024, 6],
    [4 * 1024 * 1024, 3],
  ] as const) {
    await using quiet = await openMirror(content)
    await parallelFetch({ url: `${quiet.url}/v2/parallel/blobs/${digest}`, path, size, workers, chunkBytes })
    await eventually('all readers are disposed', () => blob.openReaders === 0)
    assert.ok(quiet.sent.bytes <= 1.25 * size, `${(quiet.sent.bytes / size).toFixed(2)} times the blob were written`)
    const counted = 'shoal_mirror_requests_total{route="blobs",method="GET",status="206"}'
    await eventually('all are content', () => quiet.counts.get(counted) === size / chunkBytes)
  }
})

test('an open-ended range goes out whole to one that does read on where another has begun', async () => {
  const bytes = seededBytes(6 * 1024 * 1024, 11)
  const { digest, blob } = content.putBlob('local', 'resumed', bytes)
  await using quiet = await openMirror(content)
  const from = async (start: number): Promise<Buffer> => {
    const url = `${quiet.url}/v2/resumed/blobs/${digest}`
    return Buffer.from(await (await fetch(url, { headers: { range: `bytes=${start}-` } })).arrayBuffer())
  }
  const replies = await Promise.all([from(0), from(1_000_000), from(1_200_000)])
  for (const [i, start] of [0, 1_000_000, 1_200_000].entries()) {
    assert.deepEqual(replies[i], bytes.subarray(start))
  }
  await eventually('all readers are disposed', () => blob.openReaders === 0)
})
