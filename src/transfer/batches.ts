import type { Clock } from '../base/clock.ts'

/**
 * Haves: the first of a host goes at once, as all that comes later waits for it; after that news are gathered for a while.
 * A lag of one piece time costs 2 %, one of six (10 ms, or 8 pieces, at 10 Gb/s) 8 %.
 */
export const HAVE_BATCH_MS = 4
export const HAVE_BATCH_PIECES = 2
/** A home signs the hashes of new pieces in runs: a signature per piece would cost more than the pieces. */
export const HASH_BATCH_MS = 60
export const HASH_BATCH_PIECES = 32

interface Batch {
  pieces: number[]
  /** The end of the quiet time after what was handed on last. */
  timer: Disposable
}

/**
 * Hands piece numbers on per key: at once after a quiet time, else together, when `ms` have passed since the last were
 * handed on or `most` have gathered.
 */
export class Batches<K> {
  readonly #clock: Clock
  readonly #ms: number
  readonly #most: number
  readonly #handOn: (key: K, pieces: number[]) => void
  readonly #batches = new Map<K, Batch>()

  constructor(clock: Clock, ms: number, most: number, handOn: (key: K, pieces: number[]) => void) {
    this.#clock = clock
    this.#ms = ms
    this.#most = most
    this.#handOn = handOn
  }

  add(key: K, piece: number): void {
    const batch = this.#batches.get(key)
    if (batch === undefined) {
      this.#batches.set(key, { pieces: [], timer: this.#quiet(key) })
      this.#handOn(key, [piece])
      return
    }
    batch.pieces.push(piece)
    if (batch.pieces.length >= this.#most) this.flush(key)
  }

  flush(key: K): void {
    const batch = this.#batches.get(key)
    if (batch === undefined || batch.pieces.length === 0) return
    const { pieces } = batch
    batch.pieces = []
    batch.timer[Symbol.dispose]()
    batch.timer = this.#quiet(key)
    this.#handOn(key, pieces)
  }

  drop(key: K): void {
    this.#batches.get(key)?.timer[Symbol.dispose]()
    this.#batches.delete(key)
  }

  #quiet(key: K): Disposable {
    return this.#clock.after(this.#ms, () => {
      if (this.#batches.get(key)?.pieces.length === 0) this.#batches.delete(key)
      else this.flush(key)
    })
  }
}

/** Ascending runs of consecutive numbers. */
export function runsOf(pieces: readonly number[]): { first: number; count: number }[] {
  const runs: { first: number; count: number }[] = []
  for (const piece of [...pieces].sort((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last !== undefined && last.first + last.count === piece) last.count++
    else runs.push({ first: piece, count: 1 })
  }
  return runs
}
