import { abortError, sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import type { Refusal } from '../base/outcome.ts'
import { ALONE_MS } from '../base/patience.ts'
import type { FoundRange } from '../transfer/index.ts'
import type { BlobReader, ContentSource, ReadRange } from './interface.ts'

/** What a range is a part of. */
interface RestOfBlob {
  readonly size: number
  readonly isTainted: boolean
  /** Opens it for what else is read of it. */
  readonly open: () => BlobReader
  /** Ends the wait for it. */
  readonly leave: () => void
}

const NEVER = new Promise<never>(() => {})

/** A range that comes by itself, without the pieces of its blob; where it stops coming, those take its place at the same byte. */
export class RangeReader implements BlobReader {
  readonly source: ContentSource = 'home'
  readonly #found: FoundRange
  readonly #rest: RestOfBlob
  readonly #clock: Clock
  #opened: BlobReader | undefined

  /** Owns `opened`, the rest, if that is open already. */
  constructor(found: FoundRange, rest: RestOfBlob, clock: Clock, opened?: BlobReader) {
    this.#found = found
    this.#rest = rest
    this.#clock = clock
    this.#opened = opened
  }

  get size(): number {
    return this.#rest.size
  }

  async *read(range: ReadRange, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { start, end } = this.#found.bytes
    if (range.start >= start && range.end <= end) yield* this.#arriving(range, signal)
    else yield* this.#pieces(range, signal)
  }

  resumable(start: number): boolean {
    return start === 0 || !this.#rest.isTainted
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#rest.leave()
    await this.#opened?.[Symbol.asyncDispose]()
  }

  #pieces(range: ReadRange, signal: AbortSignal): AsyncIterable<Uint8Array> {
    this.#opened ??= this.#rest.open()
    return this.#opened.read(range, signal)
  }

  async *#arriving(range: ReadRange, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { bytes } = this.#found
    for (let start = range.start; start < range.end; ) {
      const here = bytes.from(start, range.end)
      start += here.length
      if (here.length > 0) yield here
      else if (!(await this.#goesOn(signal))) return yield* this.#either({ ...range, start }, signal)
    }
  }

  /** Whether more of the range comes before anybody gets impatient. */
  async #goesOn(signal: AbortSignal): Promise<boolean> {
    const { bytes, ended } = this.#found
    const patience = new AbortController()
    const waited = sleep(this.#clock, ALONE_MS, AbortSignal.any([signal, patience.signal]))
    try {
      const isStalled = waited.then(() => false)
      // a source that is gone has nothing more to give
      return await Promise.race([bytes.more().then(() => true), ended.then(isNoRefusal, () => false), isStalled])
    } finally {
      patience.abort()
    }
  }

  /** The pieces from there on, if they come before the rest of the range does. */
  async *#either(range: ReadRange, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { bytes, ended } = this.#found
    const isWhole = ended.then(isNoRefusal, () => false)
    const left = new AbortController()
    const pieces = this.#pieces(range, AbortSignal.any([signal, left.signal]))[Symbol.asyncIterator]()
    const first = pieces.next()
    const ofRange = isWhole.then((whole) => (whole ? undefined : NEVER))
    const ofPieces = first.catch(async (error: unknown) => {
      if (await isWhole) return undefined
      throw error
    })
    try {
      let next = await Promise.race([ofRange, ofPieces])
      if (next === undefined) yield bytes.from(range.start, range.end)
      for (; next !== undefined && next.done !== true; next = await pieces.next()) yield next.value
    } finally {
      ofPieces.catch(() => {})
      left.abort(abortError('nobody reads on'))
    }
  }
}

function isNoRefusal(refusal: Refusal | undefined): boolean {
  return refusal === undefined
}
