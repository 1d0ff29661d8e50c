import type { Digest } from '../oci/digest.ts'
import type { BlobEntry } from './blob-entries.ts'
import { BlobEntries } from './blob-entries.ts'
import type { StoreEntry } from './interface.ts'
import type { PartialEntry } from './partial-entries.ts'
import { PartialEntries } from './partial-entries.ts'
import { Pins } from './pins.ts'

/** What the store holds, in memory: entries, pins and the sums that decide about room. Bookkeeping without I/O. */
export class Catalogue {
  readonly blobs: BlobEntries
  readonly partials: PartialEntries
  readonly pins: Pins
  #writingBytes = 0

  constructor(now: () => number) {
    this.blobs = new BlobEntries(now)
    this.partials = new PartialEntries(now)
    this.pins = new Pins(now)
  }

  /** Bytes that have come and are being written. */
  get writingBytes(): number {
    return this.#writingBytes
  }

  /** What counts against the capacity: bytes that are here, none that have only been announced. */
  get presentBytes(): number {
    return this.blobs.bytes + this.partials.bytes + this.#writingBytes
  }

  get pinnedBytes(): number {
    let bytes = 0
    for (const digest of this.pins.digests()) {
      bytes += this.blobs.get(digest)?.size ?? this.partials.get(digest)?.storedBytes ?? 0
    }
    return bytes
  }

  /** Counts bytes that are about to be written; a negative number when they are, or are not any more. */
  writing(bytes: number): void {
    this.#writingBytes += bytes
  }

  /** What may be evicted, in order: partials nobody has open, then blobs by last use. Lazy: state may change meanwhile. */
  *evictable(isBusy: (digest: Digest) => boolean): Generator<BlobEntry | PartialEntry> {
    for (const entry of this.partials.values()) {
      if (!entry.isOpen && !this.pins.has(entry.digest) && !isBusy(entry.digest)) yield entry
    }
    for (const entry of this.blobs.values()) {
      if (entry.users === 0 && !this.pins.has(entry.digest) && !isBusy(entry.digest)) yield entry
    }
  }

  list(): StoreEntry[] {
    const describe = (entry: BlobEntry | PartialEntry): StoreEntry => ({
      digest: entry.digest,
      size: entry.size,
      storedBytes: entryBytes(entry),
      state: isPartialEntry(entry) ? 'partial' : 'complete',
      lastUsedEpochMs: entry.lastUsedEpochMs,
      pinnedUntilEpochMs: this.pins.until(entry.digest),
    })
    return [...Array.from(this.blobs.values(), describe), ...Array.from(this.partials.values(), describe)]
  }
}

export function isPartialEntry(entry: BlobEntry | PartialEntry): entry is PartialEntry {
  return 'storedBytes' in entry
}

/** What evicting an entry gives back. */
export function entryBytes(entry: BlobEntry | PartialEntry): number {
  return isPartialEntry(entry) ? entry.storedBytes : entry.size
}
