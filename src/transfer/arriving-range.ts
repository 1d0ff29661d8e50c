import type { ByteRange } from '../piece/piece-layout.ts'

/**
 * The bytes of a range as they come, from its start on, for all who wait for them: whoever passes them on need not have
 * them all first. What one source has brought stays when it fails: the next is asked for the rest.
 */
export class ArrivingRange implements ByteRange {
  readonly start: number
  readonly end: number
  readonly #bytes: Buffer
  #filled = 0
  #changed = Promise.withResolvers<void>()

  constructor({ start, end }: ByteRange) {
    this.start = start
    this.end = end
    this.#bytes = Buffer.alloc(end - start)
  }

  /** One that has come. */
  static of(start: number, bytes: Uint8Array): ArrivingRange {
    const range = new ArrivingRange({ start, end: start + bytes.length })
    range.put(start, bytes)
    return range
  }

  /** In bytes, of all of it. */
  get length(): number {
    return this.#bytes.length
  }

  /** What is to come next; `end` when all is here. */
  get next(): number {
    return this.start + this.#filled
  }

  get isWhole(): boolean {
    return this.#filled === this.#bytes.length
  }

  /**
   * Bytes of the blob from `offset` on. Those that are here already stay what they are, and so do those beyond the end: a
   * source that is slower than another brings nothing new. Answers how many are new; those beyond a gap are none.
   */
  put(offset: number, bytes: Uint8Array): number {
    const known = this.next - offset
    if (known < 0 || bytes.length <= known || this.isWhole) return 0
    const fresh = bytes.subarray(known, known + this.length - this.#filled)
    this.#bytes.set(fresh, this.#filled)
    this.#filled += fresh.length
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
    return fresh.length
  }

  /** What is here from `offset` on, up to `end`; empty when that has not come. */
  from(offset: number, end = this.end): Uint8Array {
    // one and the same where it is all of it: whoever keeps it for many counts it once
    if (offset === this.start && end === this.end && this.isWhole) return this.#bytes
    const until = Math.min(end, this.next)
    return this.#bytes.subarray(offset - this.start, Math.max(offset, until) - this.start)
  }

  /** Resolves when more has come than when this was called, or at once when all is here. */
  more(): Promise<void> {
    return this.isWhole ? Promise.resolve() : this.#changed.promise
  }
}
