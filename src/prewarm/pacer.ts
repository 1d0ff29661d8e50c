/** What may be asked for at once after a pause, at least: two of the largest pieces. */
const LEAST_BURST_BYTES = 4 * 1024 * 1024
const BURST_SECONDS = 0.25

/** How many bytes of background work may be asked for now: a token bucket that is told what came. Rate 0 = unlimited. */
export class Pacer {
  #bytesPerSec = 0
  #tokens = 0
  #filledAt: number

  constructor(now: number) {
    this.#filledAt = now
  }

  setRate(bytesPerSec: number, now: number): void {
    this.#fill(now)
    this.#bytesPerSec = bytesPerSec
  }

  came(bytes: number): void {
    if (this.#bytesPerSec > 0) this.#tokens -= bytes
  }

  /** Bytes that may be on the way now. */
  allowance(now: number): number {
    this.#fill(now)
    return this.#bytesPerSec === 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.#tokens)
  }

  #fill(now: number): void {
    const most = Math.max(LEAST_BURST_BYTES, this.#bytesPerSec * BURST_SECONDS)
    const earned = (Math.max(0, now - this.#filledAt) / 1000) * this.#bytesPerSec
    this.#tokens = this.#bytesPerSec === 0 ? 0 : Math.min(most, this.#tokens + earned)
    this.#filledAt = now
  }
}
