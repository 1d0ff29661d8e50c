import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'

/** A gateway that refuses ranges may be replaced: after this long it is asked for one again. */
const REFUSED_MS = 3_600_000

/** What a registry does with ranges: some, or the storage or gateway behind them, refuse one and give the whole. */
export class RangeManners {
  readonly #clock: Clock
  #taken = false
  #refusedUntil = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** It has answered a range with that range: what it refuses is not for the range. */
  get taken(): boolean {
    return this.#taken
  }

  get refused(): boolean {
    return this.#refusedUntil > this.#clock.now()
  }

  noteTaken(): void {
    this.#taken = true
  }

  noteRefused(): void {
    this.#refusedUntil = this.#clock.now() + REFUSED_MS
  }
}

/** Trouble of the server, or too much of everything: no word about the range. */
const NOT_ABOUT_RANGE: readonly unknown[] = [429, 500, 502, 504]

/** Whether the same question without a range may be answered. */
export function mayBeAboutRange(error: unknown): boolean {
  if (isShoalError(error, 'ORIGIN_CHANGED')) return true
  // whoever says when to come back has not said no to the range
  if (!isShoalError(error, 'ORIGIN_UNREACHABLE', 'ORIGIN_THROTTLED') || error.details.retryAfterMs !== undefined)
    return false
  // without an answer there is nothing that could be about it
  return error.cause === undefined && !NOT_ABOUT_RANGE.includes(error.details.status)
}
