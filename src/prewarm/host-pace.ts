import type { Clock } from '../base/clock.ts'

const FIRST_HOSTS = 64
/** The weight of the latest report in a host's rate: a few reports back are forgotten. */
const NEWEST = 0.3
/** Reports that follow closer than this are one: a rate over less is noise. */
const LEAST_MS = 500

interface HostPace {
  readonly startedEpochMs: number | null
  readonly endedEpochMs: number | null
  /** What it receives now; of one that has ended what it received over all of its time. */
  readonly bytesPerSec: number
}

/**
 * How fast each host of a job receives: bytes that were there before are no speed. Six numbers a host, in flat arrays as
 * those of Progress.
 */
export class HostPaces {
  readonly #clock: Pick<Clock, 'now' | 'wall'>
  #startedAt = empty(FIRST_HOSTS)
  #startedEpochMs = empty(FIRST_HOSTS)
  #endedEpochMs = empty(FIRST_HOSTS)
  #at = empty(FIRST_HOSTS)
  #moved = empty(FIRST_HOSTS)
  #rate = new Float64Array(FIRST_HOSTS)

  constructor(clock: Pick<Clock, 'now' | 'wall'>) {
    this.#clock = clock
  }

  /** Host `i` says that it has received this many bytes for the job, and whether it is done with it. */
  note(i: number, movedBytes: number, hasEnded: boolean): void {
    while (i >= this.#at.length) this.#grow()
    const now = this.#clock.now()
    if (Number.isNaN(this.#startedAt[i]!)) this.#start(i, now, movedBytes)
    const took = now - this.#at[i]!
    if (took >= LEAST_MS) {
      const latest = Math.max(0, ((movedBytes - this.#moved[i]!) * 1000) / took)
      const before = this.#rate[i]!
      this.#rate[i] = before === 0 ? latest : before * (1 - NEWEST) + latest * NEWEST
      this.#at[i] = now
      this.#moved[i] = movedBytes
    }
    if (!hasEnded) this.#endedEpochMs[i] = Number.NaN
    else if (Number.isNaN(this.#endedEpochMs[i]!)) {
      this.#endedEpochMs[i] = this.#clock.wall()
      this.#rate[i] = (movedBytes * 1000) / Math.max(1, now - this.#startedAt[i]!)
    }
  }

  /** Of one that ended before this process: nothing is known of when. */
  pace(i: number): HostPace {
    const epoch = (ms: number | undefined): number | null => (ms === undefined || Number.isNaN(ms) ? null : ms)
    return {
      startedEpochMs: epoch(this.#startedEpochMs[i]),
      endedEpochMs: epoch(this.#endedEpochMs[i]),
      bytesPerSec: this.#rate[i] ?? 0,
    }
  }

  #start(i: number, now: number, movedBytes: number): void {
    this.#startedAt[i] = now
    this.#startedEpochMs[i] = this.#clock.wall()
    this.#at[i] = now
    this.#moved[i] = movedBytes
  }

  #grow(): void {
    const size = this.#at.length * 2
    this.#startedAt = grown(this.#startedAt, empty(size))
    this.#startedEpochMs = grown(this.#startedEpochMs, empty(size))
    this.#endedEpochMs = grown(this.#endedEpochMs, empty(size))
    this.#at = grown(this.#at, empty(size))
    this.#moved = grown(this.#moved, empty(size))
    this.#rate = grown(this.#rate, new Float64Array(size))
  }
}

function empty(size: number): Float64Array<ArrayBuffer> {
  return new Float64Array(size).fill(Number.NaN)
}

function grown(from: Float64Array, to: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  to.set(from)
  return to
}
