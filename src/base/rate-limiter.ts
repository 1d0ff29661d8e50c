import { raceAbort, sleep } from './abort.ts'
import type { Clock } from './clock.ts'
import type { BucketSize } from './token-bucket.ts'
import { TokenBucket } from './token-bucket.ts'

/**
 * A token bucket in bytes. A take may overdraw the bucket, and the next one waits until the debt is paid, so that
 * a piece larger than the burst passes and the long-run rate still holds. Rate 0 means unlimited.
 */
export class RateLimiter {
  readonly #clock: Clock
  readonly #bucket: TokenBucket
  #bytesPerSec: number
  #tail: Promise<void> = Promise.resolve()

  constructor(clock: Clock, bytesPerSec: number) {
    this.#clock = clock
    this.#bytesPerSec = bytesPerSec
    this.#bucket = new TokenBucket(clock, sizeOf(bytesPerSec))
  }

  get bytesPerSec(): number {
    return this.#bytesPerSec
  }

  /** Changes the rate at once; waiters already sleeping keep the wait they were given. */
  setRate(bytesPerSec: number): void {
    this.#bytesPerSec = bytesPerSec
    this.#bucket.resize(sizeOf(bytesPerSec))
  }

  /** Waits, first come first served, until `bytes` may pass. Rejects with the signal's reason. */
  take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#bytesPerSec === 0) return Promise.resolve()
    const turn = this.#tail.then(() => this.#pay(bytes, signal))
    this.#tail = turn.catch(() => {})
    // a caller that leaves does not wait for those before it
    return signal === undefined ? turn : raceAbort(turn, signal)
  }

  /** Takes back what was taken and not used. */
  give(bytes: number): void {
    this.#bucket.give(bytes)
  }

  async #pay(bytes: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const debt = -this.#bucket.left
    if (this.#bytesPerSec > 0 && debt > 0) await sleep(this.#clock, (debt / this.#bytesPerSec) * 1000, signal)
    this.#bucket.take(bytes)
  }
}

function sizeOf(bytesPerSec: number): BucketSize {
  return { most: bytesPerSec / 10, perSec: bytesPerSec, mostDebt: Number.POSITIVE_INFINITY }
}
