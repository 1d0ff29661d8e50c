import { LRUCache } from 'lru-cache'
import type { Digest } from '../oci/digest.ts'

/** Some eight pieces of the largest size. */
const KEPT_BYTES = 16 * 1024 * 1024

/**
 * Pieces of complete blobs that were read and checked for the sake of a part of them. A client that reads a blob in small ranges, as
 * lazy snapshotters do, would have each piece hashed once for each of them.
 */
export class RecentPieces {
  readonly #kept = new LRUCache<string, Uint8Array>({ maxSize: KEPT_BYTES, sizeCalculation: ({ length }) => length })

  get(digest: Digest, piece: number): Uint8Array | undefined {
    return this.#kept.get(`${piece}/${digest}`)
  }

  /** Nobody may change `bytes` afterwards. */
  add(digest: Digest, piece: number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.#kept.set(`${piece}/${digest}`, bytes)
  }
}
