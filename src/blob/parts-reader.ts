import { abortError } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import type { Outcome } from '../base/outcome.ts'
import { isRefused } from '../base/outcome.ts'
import { Slots } from '../base/slots.ts'
import type { Transfers } from '../transfer/index.ts'
import type { BlobReader, ContentSource, ReadRange } from './interface.ts'
import type { WantedPart } from './parts.ts'
import { isSmallPart, openPart } from './parts.ts'
import { PendingReader } from './readers.ts'

/** Small parts of one answer that come ahead of the one that is read: of 128 KiB, a megabyte. */
const PARTS_AHEAD = 8

interface Deps {
  readonly transfers: Transfers
  readonly clock: Clock
}

/** A part that comes ahead of its turn. */
interface PartAhead {
  readonly reader: BlobReader
  /** It has been read: another may come. */
  readonly read: () => void
}

/**
 * Opens a blob of which one part after another is wanted, `others` after what `wanted` reads. Those that are small come
 * ahead of their turn, as a round trip each, one after the other, is what several in one request are to spare.
 */
export async function openParts<W extends WantedPart>(
  wanted: W,
  others: readonly ReadRange[],
  open: (wanted: W, signal: AbortSignal) => Promise<Outcome<BlobReader>>,
  deps: Deps,
  signal: AbortSignal,
): Promise<Outcome<BlobReader>> {
  const part = (one: W, until: AbortSignal): Promise<Outcome<BlobReader>> =>
    openPart(one, (reading) => open(one, reading), deps, until)
  const first = isSmallPart(wanted, deps.transfers) ? await part(wanted, signal) : await open(wanted, signal)
  if (isRefused(first) || others.length === 0) return first
  const left = new AbortController()
  const until = AbortSignal.any([signal, left.signal])
  const slots = new Slots(PARTS_AHEAD)
  const ahead = new Map<number, PartAhead>()
  for (const reads of others) {
    const one = { ...wanted, reads }
    if (!isSmallPart(one, deps.transfers)) continue
    const slot = slots.take(until)
    const opening = slot.then(() => part(one, until))
    const reader = new PendingReader(first.size, deps.transfers.tainted(wanted.digest), opening)
    ahead.set(reads.start, { reader, read: () => void slot.then((taken) => taken[Symbol.dispose]()) })
  }
  return new PartsReader(first, ahead, () => left.abort(abortError('nobody reads on')))
}

/** Several parts of a blob, each by the reader that has brought it ahead. */
class PartsReader implements BlobReader {
  readonly size: number
  readonly source: ContentSource
  readonly #first: BlobReader
  readonly #ahead: ReadonlyMap<number, PartAhead>
  readonly #leave: () => void

  /** Owns the readers. */
  constructor(first: BlobReader, ahead: ReadonlyMap<number, PartAhead>, leave: () => void) {
    this.#first = first
    this.#ahead = ahead
    this.#leave = leave
    this.size = first.size
    this.source = first.source
  }

  async *read(range: ReadRange, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const part = this.#ahead.get(range.start)
    if (part === undefined) return yield* this.#first.read(range, signal)
    try {
      yield* part.reader.read(range, signal)
    } finally {
      part.read()
    }
  }

  resumable(start: number): boolean {
    return this.#first.resumable(start)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leave()
    const readers = [this.#first, ...[...this.#ahead.values()].map(({ reader }) => reader)]
    await Promise.all(readers.map((reader) => reader[Symbol.asyncDispose]()))
  }
}
