/** What came longer ago than about this counts little: how fast it is now, and how fast over some breaths. */
const SHORT_MS = 2_000
const LONG_MS = 8_000

class Fading {
  readonly #memoryMs: number
  readonly #startedAt: number
  #bytes = 0
  #at: number

  constructor(memoryMs: number, now: number) {
    this.#memoryMs = memoryMs
    this.#startedAt = now
    this.#at = now
  }

  came(bytes: number, now: number): void {
    this.#bytes = this.#bytes * this.#left(now - this.#at) + bytes
    this.#at = now
  }

  at(now: number): number {
    const seenMs = this.#memoryMs * (1 - this.#left(now - this.#startedAt))
    return seenMs <= 0 ? 0 : (this.#bytes * this.#left(now - this.#at)) / seenMs
  }

  #left(ms: number): number {
    return Math.exp(-ms / this.#memoryMs)
  }
}

/** How fast bytes come by one connection, in bytes per millisecond: what has just come counts most, and fades. */
export class Pace {
  readonly #short: Fading
  readonly #long: Fading

  constructor(now: number) {
    this.#short = new Fading(SHORT_MS, now)
    this.#long = new Fading(LONG_MS, now)
  }

  came(bytes: number, now: number): void {
    this.#short.came(bytes, now)
    this.#long.came(bytes, now)
  }

  /** In its favour: bytes come in bursts, and a pause between two is not yet slowness. */
  most(now: number): number {
    return Math.max(this.#short.at(now), this.#long.at(now))
  }

  /** What it can be relied on for. */
  least(now: number): number {
    return Math.min(this.#short.at(now), this.#long.at(now))
  }
}
