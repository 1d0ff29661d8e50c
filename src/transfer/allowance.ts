import type { RateLimiter } from '../base/rate-limiter.ts'

/** A range is paid for this many seconds ahead: what has been asked for comes, and lies in sockets if nobody reads it. */
const AHEAD_S = 1
/** Less than this is not worth a question of its own, whatever the limit. */
const AHEAD_LEAST_BYTES = 128 * 1024

/**
 * What one read of an origin may draw under the limits that hold for it. Bytes are paid for before they are asked for,
 * so that a limit holds on the wire and not only for what has been read out of the socket.
 */
export class Allowance implements Disposable {
  readonly #limits: () => readonly RateLimiter[]
  /** Paid for and not here yet. */
  readonly #paid = new Map<RateLimiter, number>()

  /** `limits` says which hold now: they change while a range is read. */
  constructor(limits: () => readonly RateLimiter[]) {
    this.#limits = limits
  }

  /** Waits until the first part of a range of `bytes` may be asked for. Rejects with the signal's reason. */
  async ahead(bytes: number, signal: AbortSignal): Promise<void> {
    for (const limiter of this.#limits()) {
      if (limiter.bytesPerSec === 0) continue
      const part = Math.min(bytes, aheadBytes(limiter.bytesPerSec))
      await limiter.take(part, signal)
      this.#paid.set(limiter, part)
    }
  }

  /** `bytes` have come: waits until what has not been paid ahead may. Rejects with the signal's reason. */
  async came(bytes: number, signal: AbortSignal): Promise<void> {
    for (const limiter of this.#limits()) {
      const paid = Math.min(bytes, this.#paid.get(limiter) ?? 0)
      if (paid > 0) this.#paid.set(limiter, this.#paid.get(limiter)! - paid)
      if (paid < bytes) await limiter.take(bytes - paid, signal)
    }
  }

  /** Gives back what was paid for and has not come. */
  [Symbol.dispose](): void {
    for (const [limiter, bytes] of this.#paid) limiter.give(bytes)
    this.#paid.clear()
  }
}

/** Bytes that are paid for ahead under a limit of this many bytes per second, which is more than 0. */
export function aheadBytes(bytesPerSec: number): number {
  return Math.max(AHEAD_LEAST_BYTES, Math.floor(AHEAD_S * bytesPerSec))
}
