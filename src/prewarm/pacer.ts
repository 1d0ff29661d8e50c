import type { Clock } from '../base/clock.ts'
import { TokenBucket } from '../base/token-bucket.ts'

/** What may be asked for at once after a pause, at least: two of the largest pieces. */
const LEAST_BURST_BYTES = 4 * 1024 * 1024
const BURST_SECONDS = 0.25

/** How many bytes of background work may be asked for now: a token bucket that is told what came. Rate 0 = unlimited. */
export class Pacer {
  readonly #clock: Pick<Clock, 'now'>
  #bytesPerSec = 0
  #bucket: TokenBucket | undefined

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  setRate(bytesPerSec: number): void {
    if (bytesPerSec === this.#bytesPerSec) return
    this.#bytesPerSec = bytesPerSec
    const most = Math.max(LEAST_BURST_BYTES, bytesPerSec * BURST_SECONDS)
    const size = { most, perSec: bytesPerSec, mostDebt: Number.POSITIVE_INFINITY }
    if (bytesPerSec === 0) this.#bucket = undefined
    else if (this.#bucket === undefined) this.#bucket = new TokenBucket(this.#clock, size, 0)
    else this.#bucket.resize(size)
  }

  came(bytes: number): void {
    this.#bucket?.take(bytes)
  }

  /** Bytes that may be on the way now. */
  get allowance(): number {
    return this.#bucket === undefined ? Number.POSITIVE_INFINITY : Math.max(0, this.#bucket.left)
  }
}
