import { raceAbort, sleep } from './abort.ts'
import type { Clock } from './clock.ts'

/**
 * A token bucket in bytes. A take may overdraw the bucket, and the next one waits until the debt is paid, so that
 * a piece larger than the burst passes and the long-run rate still holds. Rate 0 means unlimited.
 */
export class RateLimiter {
  readonly #clock: Clock
  #bytesPerSec: number
  #tokens: number
  #refilledAt: number
  #tail: Promise<void> = Promise.resolve()

  constructor(clock: Clock, bytesPerSec: number) {
    this.#clock = clock
    this.#bytesPerSec = bytesPerSec
    this.#tokens = this.#burst()
    this.#refilledAt = clock.now()
  }

  get bytesPerSec(): number {
    return this.#bytesPerSec
  }

  /** Changes the rate at once; waiters already sleeping keep the wait they were given. */
  setRate(bytesPerSec: number): void {
    this.#refill()
    this.#bytesPerSec = bytesPerSec
    this.#tokens = Math.min(this.#tokens, this.#burst())
  }

  /** Waits, first come first served, until `bytes` may pass. Rejects with the signal's reason. */
  take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#bytesPerSec === 0) return Promise.resolve()
    const turn = this.#tail.then(() => this.#pay(bytes, signal))
    this.#tail = turn.catch(() => {})
    // who leaves does not wait for those before him
    return signal === undefined ? turn : raceAbort(turn, signal)
  }

  async #pay(bytes: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    this.#refill()
    if (this.#bytesPerSec > 0 && this.#tokens < 0) {
      await sleep(this.#clock, (-this.#tokens / this.#bytesPerSec) * 1000, signal)
      this.#refill()
    }
    this.#tokens -= bytes
  }

  #burst(): number {
    return this.#bytesPerSec / 10
  }

  #refill(): void {
    const now = this.#clock.now()
    this.#tokens = Math.min(this.#burst(), this.#tokens + ((now - this.#refilledAt) / 1000) * this.#bytesPerSec)
    this.#refilledAt = now
  }
}
