import { Pace } from './pace.ts'

/** The pace of less than this says nothing: what begins comes in bursts. */
const MEASURED_AFTER_MS = 2_000
/** With this much less than at best, there is room on the link: that of the ranges that have ended. */
const BELOW_BEST = 0.6

/**
 * What all ranges of a host bring together. A link that is full brings as much whether few ranges or many share it: then
 * another range would only take from the others, and what one that is cut short has under way is paid twice.
 */
export class TotalPace {
  #pace: Pace | undefined
  #since = 0
  #best = 0
  #mostRanges = 0

  /** This many are read now. */
  counted(ranges: number): void {
    this.#mostRanges = Math.max(this.#mostRanges, ranges)
    if (ranges > 0) return
    this.#mostRanges = 0
    this.#pace = undefined
    this.#best = 0
  }

  came(bytes: number, now: number): void {
    if (this.#pace === undefined) this.#since = now
    this.#pace ??= new Pace(now)
    this.#pace.came(bytes, now)
    if (now - this.#since >= MEASURED_AFTER_MS) this.#best = Math.max(this.#best, this.#pace.least(now))
  }

  /** Whether one more range may bring more: they bring less than they did, or there has never been more than one. */
  hasRoom(now: number): boolean {
    if (this.#mostRanges <= 1) return true
    if (this.#pace === undefined) return false
    // what came at once was no measure, and nothing has come since
    if (this.#best === 0) return now - this.#since >= 2 * MEASURED_AFTER_MS
    return this.#pace.least(now) < BELOW_BEST * this.#best
  }
}
