import type { Digest } from '../oci/digest.ts'

/** A partial as memory knows it. */
export interface PartialEntry {
  readonly digest: Digest
  readonly size: number
  readonly pieceSize: number
  readonly lastUsedEpochMs: number
  readonly storedBytes: number
  readonly isOpen: boolean
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** The partials, in the order in which they were last closed, and their sums. */
export class PartialEntries {
  readonly #now: () => number
  readonly #entries = new Map<Digest, Mutable<PartialEntry>>()
  #bytes = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** Bytes of pieces, in open partials and others. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Bytes that open partials lack: of those alone that have some. Until then a size is only what somebody has announced; whoever
   * sends a piece has the blob, and with that size.
   */
  get arrivingBytes(): number {
    let bytes = 0
    for (const { isOpen, size, storedBytes } of this.#entries.values()) {
      if (isOpen && storedBytes > 0) bytes += size - storedBytes
    }
    return bytes
  }

  get(digest: Digest): PartialEntry | undefined {
    return this.#entries.get(digest)
  }

  values(): Iterable<PartialEntry> {
    return this.#entries.values()
  }

  /** Adds a closed partial; the digest must be absent. */
  add(fields: Omit<PartialEntry, 'isOpen'>): PartialEntry {
    const entry = { ...fields, isOpen: false }
    this.#entries.set(entry.digest, entry)
    this.#bytes += entry.storedBytes
    return entry
  }

  open(partial: PartialEntry): void {
    const entry = this.#mutable(partial)
    if (entry === undefined || entry.isOpen) return
    entry.isOpen = true
  }

  close(partial: PartialEntry): void {
    const entry = this.#mutable(partial)
    if (entry?.isOpen !== true) return
    entry.isOpen = false
    entry.lastUsedEpochMs = this.#now()
    this.#entries.delete(entry.digest)
    this.#entries.set(entry.digest, entry)
  }

  /** Counts `bytes` more (or less) on disk. */
  addStored(partial: PartialEntry, bytes: number): void {
    const entry = this.#mutable(partial)
    if (entry === undefined) return
    entry.storedBytes += bytes
    this.#bytes += bytes
  }

  remove(partial: PartialEntry): void {
    const entry = this.#mutable(partial)
    if (entry === undefined) return
    this.close(entry)
    this.#entries.delete(entry.digest)
    this.#bytes -= entry.storedBytes
  }

  #mutable(entry: PartialEntry): Mutable<PartialEntry> | undefined {
    const found = this.#entries.get(entry.digest)
    return found === entry ? found : undefined
  }
}
