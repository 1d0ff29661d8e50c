import type { Clock } from './clock.ts'

export interface BucketSize {
  /** At once, after a pause. */
  readonly most: number
  readonly perSec: number
  /** How far below nothing it goes. Default: a quarter of `most`. */
  readonly mostDebt?: number
}

/**
 * How much may happen: `most` at once and `perSec` from then on. What has happened is taken even if there was not enough
 * left; the debt is paid first.
 */
export class TokenBucket {
  readonly #clock: Pick<Clock, 'now'>
  #size: BucketSize
  #left: number
  #filledAt: number

  constructor(clock: Pick<Clock, 'now'>, size: BucketSize, left = size.most) {
    this.#clock = clock
    this.#size = size
    this.#left = left
    this.#filledAt = clock.now()
  }

  get left(): number {
    const now = this.#clock.now()
    const earned = ((now - this.#filledAt) / 1000) * this.#size.perSec
    this.#left = Math.min(this.#size.most, this.#left + earned)
    this.#filledAt = now
    return this.#left
  }

  /** Of 1. */
  get share(): number {
    return this.left / this.#size.most
  }

  take(count: number): void {
    const { most, mostDebt = most / 4 } = this.#size
    this.#left = Math.max(-mostDebt, this.left - count)
  }

  /** Takes back what was taken and not used. */
  give(count: number): void {
    this.#left = Math.min(this.#size.most, this.left + count)
  }

  /** From now on; what has been earned until now stays, as far as it fits. */
  resize(size: BucketSize): void {
    this.#left = Math.min(size.most, this.left)
    this.#size = size
  }
}
