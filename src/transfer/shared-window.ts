import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import { Bitfield, setBits } from '../piece/bitfield.ts'

/** The latest stay: the scheduler may not have been told yet that they have come. */
const UNTOLD = 8

/** One reader's place in a window; disposed when it has read enough. */
interface Place extends Disposable {
  /** The reader is at this piece now. */
  move(piece: number): void
}

interface Reader {
  at: number
  /** What lies before this may be fetched for it. */
  until: number
  /** Began at the blob's first byte: it is given the last piece only once the whole is proven. */
  readonly isWhole: boolean
}

/**
 * Which pieces of a blob that cannot be stored are fetched and kept: what its readers are about to read, all of them
 * within one bound, and of what they have read as much as finds room, for those who come a little later. Readers whose places
 * are within that distance share one copy; what lies farther apart is fetched once for each, and the room for it is
 * divided among them. Nobody waits for another: a reader that stops keeps its share of what is fetched ahead and no more.
 */
export class SharedWindow {
  /** What may be fetched now; read live. */
  readonly wanted: ReadonlyBitfield
  readonly #wanted: Bitfield
  readonly #most: number
  /** Who moved last is last. */
  readonly #readers = new Set<Reader>()

  /** `most`: pieces that are kept; half of them ahead of readers. */
  constructor(pieces: number, most: number) {
    this.#wanted = new Bitfield(pieces)
    this.wanted = this.#wanted
    this.#most = most
  }

  /** The lowest place that is read at. */
  get first(): number {
    let first = this.#wanted.length
    for (const { at } of this.#readers) first = Math.min(first, at)
    return first === this.#wanted.length ? 0 : first
  }

  /** Nobody reads at `piece` yet, but soon will. */
  expect(piece: number): void {
    if (this.#readers.size > 0) return
    this.#wanted.clearAll()
    for (let i = piece; i < piece + this.#most / 2; i++) this.#wanted.set(i)
  }

  /** A reader begins at `piece`. */
  open(piece: number, isWhole: boolean): Place {
    const reader: Reader = { at: piece, until: piece, isWhole }
    this.#readers.add(reader)
    this.#share()
    return {
      move: (to) => this.#move(reader, to),
      [Symbol.dispose]: () => {
        // what it would have read next stays wanted if it was the last: it, or another, may come back
        if (this.#readers.delete(reader) && this.#readers.size > 0) this.#share()
      },
    }
  }

  /** Whether a piece that comes by itself is too far ahead of everybody to be kept. */
  isTooFar(piece: number): boolean {
    let end = 0
    for (const wanted of setBits(this.#wanted)) end = wanted + 1
    return piece >= end
  }

  /**
   * Which of the pieces that are kept, the least recently used first, must go. `proof` is the next piece that the proof of
   * the whole will take in: while somebody waits for that, what lies between it and the reader stays.
   */
  excess(kept: readonly number[], proof: number): number[] {
    let tooMany = kept.length - this.#most
    if (tooMany <= 0) return []
    let read = 0
    for (const { at, isWhole } of this.#readers) if (isWhole) read = Math.max(read, at)
    const out: number[] = []
    for (const piece of kept.slice(0, -UNTOLD)) {
      if (this.#wanted.has(piece) || (piece >= proof && piece < read)) continue
      out.push(piece)
      if (--tooMany === 0) break
    }
    return out
  }

  #move(reader: Reader, to: number): void {
    if (reader.at === to || !this.#readers.delete(reader)) return
    this.#readers.add(reader)
    reader.at = to
    // in steps: a range for each single piece would cost the origin a question each
    if (to + this.#ahead() / 2 >= reader.until || !this.#wanted.has(to)) this.#share()
  }

  /** Divides what may be fetched ahead among all places. */
  #share(): void {
    const ahead = this.#ahead()
    for (const reader of this.#readers) reader.until = reader.at + ahead
    this.#wanted.clearAll()
    const latest = [...this.#readers].reverse()
    for (const { at, until } of latest) {
      for (let piece = at; piece < until; piece++) {
        // more places than there is room for: who moved last goes on
        if (this.#wanted.count >= this.#most) return
        this.#wanted.set(piece)
      }
    }
  }

  /** How far ahead of each place the half that is meant for it reaches: at least one piece. */
  #ahead(): number {
    const places = [...new Set([...this.#readers].map(({ at }) => at))].sort((a, b) => a - b)
    const room = Math.floor(this.#most / 2)
    let least = 1
    let most = Math.max(1, room)
    while (least < most) {
      const middle = Math.ceil((least + most) / 2)
      if (covered(places, middle) <= room) least = middle
      else most = middle - 1
    }
    return least
  }
}

/** How many pieces lie within `ahead` of some place. */
function covered(places: readonly number[], ahead: number): number {
  let sum = 0
  for (const [i, place] of places.entries()) sum += Math.min(ahead, (places[i + 1] ?? Number.POSITIVE_INFINITY) - place)
  return sum
}
