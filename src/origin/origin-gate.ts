import { raceAbort, sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'

/** An origin that has not refused any for this long is tried with one more. */
const ONE_MORE_AFTER_MS = 5_000
/** As many as this are as good as no bound. */
const UNBOUNDED = 64
/** Whoever has waited this long for its turn goes on without: a reader may stand still that holds one. */
const TURN_MOST_MS = 20_000

/** How many reads an origin stands at the same time: as many as come, until it has refused one. */
export class OriginGate {
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()
  #active = 0
  #most = Number.POSITIVE_INFINITY
  #changedAt = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Reads that may go on at the same time now. */
  get most(): number {
    return this.#most
  }

  /** Waits for a turn; the answer ends it, once. Rejects with the signal's reason. */
  async enter(signal: AbortSignal): Promise<() => void> {
    const giveUp = new AbortController()
    const until = this.#clock.now() + TURN_MOST_MS
    while (this.#active >= this.#grown() && this.#clock.now() < until) {
      const turn = Promise.withResolvers<void>()
      this.#waiting.add(turn.resolve)
      const stopped = AbortSignal.any([signal, giveUp.signal])
      const soon = sleep(this.#clock, ONE_MORE_AFTER_MS, stopped).catch(() => {})
      try {
        await raceAbort(Promise.race([turn.promise, soon]), signal)
      } finally {
        this.#waiting.delete(turn.resolve)
      }
    }
    giveUp.abort()
    signal.throwIfAborted()
    this.#active++
    let left = false
    return () => {
      if (left) return
      left = true
      this.#active--
      this.#next()
    }
  }

  /** It has refused one of those that read now: it stands this many less one. */
  refused(): void {
    this.#most = Math.max(1, Math.min(this.#most, this.#active - 1))
    this.#changedAt = this.#clock.now()
  }

  #grown(): number {
    const more = Math.floor((this.#clock.now() - this.#changedAt) / ONE_MORE_AFTER_MS)
    if (more < 1 || this.#most === Number.POSITIVE_INFINITY) return this.#most
    this.#most += more
    this.#changedAt += more * ONE_MORE_AFTER_MS
    if (this.#most >= UNBOUNDED) this.#most = Number.POSITIVE_INFINITY
    return this.#most
  }

  /** Whoever has waited longest. */
  #next(): void {
    const [first] = this.#waiting
    first?.()
  }
}

/** The same chunks; `leave` is called once they are read, or their reader does not want them any more. */
export function leaving(
  chunks: AsyncIterable<Uint8Array>,
  leave: () => void,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  // chunks that nobody begins to read have no end
  signal.addEventListener('abort', leave, { once: true })
  return untilLeft(chunks, () => {
    signal.removeEventListener('abort', leave)
    leave()
  })
}

async function* untilLeft(chunks: AsyncIterable<Uint8Array>, leave: () => void): AsyncIterable<Uint8Array> {
  try {
    yield* chunks
  } finally {
    leave()
  }
}
