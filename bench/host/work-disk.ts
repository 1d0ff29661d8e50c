import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { costOf } from './cost.ts'
import type { Cost } from './tasks.ts'

const CHUNK_BYTES = 1024 * 1024
/** Received bytes are not in the processor's cache either. */
const POOL_CHUNKS = 32

export function hashBytes(bytes: number): Promise<Cost> {
  const pool = chunkPool()
  return costOf(async () => {
    const hash = createHash('sha256')
    for (let [left, i] = [bytes, 0]; left > 0; left -= CHUNK_BYTES, i++) hash.update(upTo(pool[i % POOL_CHUNKS]!, left))
    hash.digest()
  })
}

/** Preallocated: with its size set before the first byte, as the store does. */
export async function writeNewFile({
  file,
  bytes,
  preallocated,
}: {
  readonly file: string
  readonly bytes: number
  readonly preallocated: boolean
}): Promise<Cost> {
  const pool = chunkPool()
  return costOf(async () => {
    await using handle = await open(file, 'wx')
    if (preallocated) await handle.truncate(bytes)
    for (let [offset, i] = [0, 0]; offset < bytes; offset += CHUNK_BYTES, i++) {
      const chunk = upTo(pool[i % POOL_CHUNKS]!, bytes - offset)
      await handle.write(chunk, 0, chunk.length, offset)
    }
  })
}

export async function serveFile(file: string): Promise<{ url: string }> {
  const server = createServer((_request, response) => {
    sendFile(file, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}

async function sendFile(file: string, response: ServerResponse): Promise<void> {
  await using handle = await open(file)
  const { size } = await handle.stat()
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  response.writeHead(200, { 'content-length': size })
  for (let offset = 0; offset < size; ) {
    const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, offset)
    // the buffer is free again once the kernel has taken it
    await new Promise<void>((resolve, reject) => {
      response.write(buffer.subarray(0, bytesRead), (error) => (error ? reject(error) : resolve()))
    })
    offset += bytesRead
  }
  response.end()
}

function chunkPool(): Uint8Array[] {
  return Array.from({ length: POOL_CHUNKS }, () => randomFillSync(new Uint8Array(CHUNK_BYTES)))
}

function upTo(chunk: Uint8Array, bytes: number): Uint8Array {
  return bytes < chunk.length ? chunk.subarray(0, bytes) : chunk
}
