const RETRY_FIRST_MS = 250
const RETRY_MOST_MS = 5_000
/**
 * A pull that has begun waits this long for an origin that fails before it is given up: about as long as runtimes go on
 * with the registry itself (dockerd: five attempts within 75 s; containers/image: 60 s without progress).
 */
export const ORIGIN_PATIENCE_MS = 60_000
/** One of which nothing has come yet fails sooner: its runtime still waits for headers, and can be sent elsewhere. */
const ORIGIN_FIRST_PATIENCE_MS = 3_500
/** An origin that needs longer than this to begin is asked for more at a time. */
const SLOW_TO_BEGIN_MS = 500
/** Reading then takes this many times as long as waiting. */
const READ_TIMES = 4
const WAITS_REMEMBERED = 4
const EWMA_WEIGHT = 0.3

/** How a range ended that did not bring all it should. */
export interface RangeFailure {
  /** The origin has said no, and asking again would not change that. */
  readonly final: boolean
  /** It asked to be left alone for this long. */
  readonly retryAfterMs: number
}

/** What reading one blob at its origin has taught so far: how it begins, how fast it is, whether it fails. */
export class OriginState {
  /** Ranges that may be read at the same time once the origin is known to take them. */
  allowed = 0
  active = 0
  /** Whether more of them may be tried than `allowed`. */
  mayGrow = false
  /** Bytes of one range, unless questions are dear. */
  rangeBytes = 0
  /** What a limit lets come, in bytes per millisecond. */
  limit = Number.POSITIVE_INFINITY
  /** Whether it is known to take ranges; until then one is asked for. */
  takesRanges = true
  /** It has sent the whole where a range was asked for: one read brings everything. */
  sequential = false
  retryAt = 0
  /** Stragglers dropped so far: each makes the next one's patience longer. */
  drops = 0
  #received = false
  #failures = 0
  #failingSince: number | undefined
  #waits: number[] = []
  #pace = 0

  /** Ranges that may be read now: one while it is not known, or no longer known, that more would be answered. */
  get ranges(): number {
    return this.sequential || !this.takesRanges || this.#failures > 0 ? Math.min(1, this.allowed) : this.allowed
  }

  /** Whether one more range beside the others would be answered. */
  get takesMore(): boolean {
    return this.allowed > 0 && this.takesRanges && !this.sequential && this.#failures === 0
  }

  /** How long it takes to begin, at best lately. */
  get waitMs(): number {
    return this.#waits.length === 0 ? 0 : Math.min(...this.#waits)
  }

  /** Bytes per millisecond that one range has come with lately; 0 before the first has ended. */
  get pace(): number {
    return this.#pace
  }

  /** How much to ask for at a time: where every question costs seconds, few of them. */
  get runBytes(): number {
    if (this.sequential) return Number.POSITIVE_INFINITY
    if (this.waitMs < SLOW_TO_BEGIN_MS) return this.rangeBytes
    return Math.max(this.rangeBytes, READ_TIMES * this.waitMs * Math.min(this.#pace, this.limit))
  }

  /** `second`: what a limit lets come in a second, if there is one; then that is a range. */
  boundRanges(second: number | undefined, usual: number): void {
    this.rangeBytes = second ?? usual
    this.limit = second === undefined ? Number.POSITIVE_INFINITY : second / 1_000
  }

  began(waitedMs: number): void {
    this.#waits.push(waitedMs)
    if (this.#waits.length > WAITS_REMEMBERED) this.#waits.shift()
  }

  came(): void {
    this.#received = true
    this.#failures = 0
    this.#failingSince = undefined
  }

  ended(pace: number): void {
    if (pace > 0) this.#pace += this.#pace === 0 ? pace : EWMA_WEIGHT * (pace - this.#pace)
  }

  /** Ranges that fail together have failed once. Returns what to do: ask again (at `retryAt`), or give up. */
  failed({ final, retryAfterMs }: RangeFailure, askedAt: number, now: number): 'again' | 'failed' | 'refused' {
    if (final && !this.#received) return 'refused'
    // of what has not begun its runtime has waited since it was asked for
    this.#failingSince ??= this.#received ? now : askedAt
    const together = now < this.retryAt
    if (!together) this.#failures++
    const wait = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** (this.#failures - 1))
    this.retryAt = Math.max(this.retryAt, now + Math.max(together ? 0 : wait, retryAfterMs))
    const patience = this.#received ? ORIGIN_PATIENCE_MS : ORIGIN_FIRST_PATIENCE_MS
    if (this.retryAt - this.#failingSince < patience) return 'again'
    this.#failingSince = undefined
    return 'failed'
  }
}
