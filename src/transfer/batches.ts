import type { Clock } from '../base/clock.ts'

/** Collects piece numbers per key and hands them on together: after `ms`, or at once when `most` have gathered. */
export class Batches<K> {
  readonly #clock: Clock
  readonly #ms: number
  readonly #most: number
  readonly #flush: (key: K, pieces: number[]) => void
  readonly #waiting = new Map<K, { pieces: number[]; timer: Disposable }>()

  constructor(clock: Clock, ms: number, most: number, flush: (key: K, pieces: number[]) => void) {
    this.#clock = clock
    this.#ms = ms
    this.#most = most
    this.#flush = flush
  }

  add(key: K, piece: number): void {
    let batch = this.#waiting.get(key)
    if (batch === undefined) {
      batch = { pieces: [], timer: this.#clock.after(this.#ms, () => this.flush(key)) }
      this.#waiting.set(key, batch)
    }
    batch.pieces.push(piece)
    if (batch.pieces.length >= this.#most) this.flush(key)
  }

  flush(key: K): void {
    const batch = this.#waiting.get(key)
    if (batch === undefined) return
    this.drop(key)
    this.#flush(key, batch.pieces)
  }

  drop(key: K): void {
    this.#waiting.get(key)?.timer[Symbol.dispose]()
    this.#waiting.delete(key)
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
