import type { Digest } from '../oci/digest.ts'

/** A complete blob as memory knows it. */
export interface BlobEntry {
  readonly digest: Digest
  readonly size: number
  lastUsedEpochMs: number
  /** The last use that the index has. */
  savedUseEpochMs: number
  /** Open handles; never evicted while there are any. */
  users: number
}

/** The complete blobs, in the order of their last use, and their sum. */
export class BlobEntries {
  readonly #now: () => number
  readonly #entries = new Map<Digest, BlobEntry>()
  #bytes = 0

  constructor(now: () => number) {
    this.#now = now
  }

  get bytes(): number {
    return this.#bytes
  }

  get(digest: Digest): BlobEntry | undefined {
    return this.#entries.get(digest)
  }

  /** The least recently used first. */
  values(): Iterable<BlobEntry> {
    return this.#entries.values()
  }

  /** Adds a blob as the most recently used; the digest must be absent. */
  add(digest: Digest, size: number, lastUsedEpochMs: number): BlobEntry {
    const entry = { digest, size, lastUsedEpochMs, savedUseEpochMs: lastUsedEpochMs, users: 0 }
    this.#entries.set(digest, entry)
    this.#bytes += size
    return entry
  }

  remove(entry: BlobEntry): void {
    if (this.#entries.get(entry.digest) !== entry) return
    this.#entries.delete(entry.digest)
    this.#bytes -= entry.size
  }

  /** Marks a blob used now. */
  touch(entry: BlobEntry): void {
    entry.lastUsedEpochMs = this.#now()
    if (this.#entries.delete(entry.digest)) this.#entries.set(entry.digest, entry)
  }
}
