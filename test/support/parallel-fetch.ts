import assert from 'node:assert/strict'
import type { ReadStream } from 'node:fs'
import { createReadStream } from 'node:fs'
import { request } from 'undici'

/** What containerd does with `concurrent_layer_fetch_buffer`: workers take chunks in order and leave each open-ended range after its chunk. */
export interface ParallelFetch {
  readonly url: string
  /** The content that is expected. */
  readonly path: string
  readonly size: number
  readonly workers: number
  readonly chunkBytes: number
  /** How much of each chunk is read before the client leaves. Default: all of it. */
  readonly readBytes?: number
  /** The Range header for a chunk. Default: open-ended. */
  readonly range?: (start: number, end: number) => string
}

/** Rejects when a chunk is refused, short or wrong. */
export async function parallelFetch(fetch: ParallelFetch): Promise<void> {
  const { url, path, size, workers, chunkBytes, readBytes = chunkBytes, range = (start) => `bytes=${start}-` } = fetch
  let next = 0
  const work = async (): Promise<void> => {
    while (next < size) {
      const start = next
      next += chunkBytes
      const end = Math.min(start + readBytes, size)
      const response = await request(url, { headers: { range: range(start, end) } })
      assert.equal(response.statusCode, 206)
      const expected = await collect(createReadStream(path, { start, end: end - 1 }), end - start)
      const received = await collect(response.body, end - start)
      assert.ok(received.equals(expected), `bytes ${start} to ${end}`)
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
}

/** The first `bytes` of a stream, which is destroyed. */
async function collect(stream: ReadStream | AsyncIterable<Uint8Array>, bytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let had = 0
  for await (const chunk of stream) {
    chunks.push(chunk)
    had += chunk.length
    if (had >= bytes) break
  }
  return Buffer.concat(chunks).subarray(0, bytes)
}
