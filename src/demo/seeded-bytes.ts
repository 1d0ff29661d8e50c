import { createCipheriv, createHash } from 'node:crypto'

const CHUNK_BYTES = 1024 * 1024

/**
 * `length` bytes that no compressor can shrink, the same for the same `label` on every machine: an AES-CTR key stream.
 * For content to move in tests and demos, never for secrets. Every chunk (at most 1 MiB) is a fresh buffer.
 */
export function* seededBytes(label: string, length: number): Generator<Uint8Array> {
  const key = createHash('sha256').update(label).digest().subarray(0, 16)
  const stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  const zeros = Buffer.alloc(Math.min(CHUNK_BYTES, length))
  for (let left = length; left > 0; left -= CHUNK_BYTES) {
    yield stream.update(left < zeros.length ? zeros.subarray(0, left) : zeros)
  }
}
