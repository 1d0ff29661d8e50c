/** What the ranges bring is measured over this long. New ones get as long to begin before they count. */
const WINDOW_MS = 2_000
/** Twice as many ranges must bring this many times as much: less is the link, or an origin that shares what it has. */
const WORTH_TIMES = 1.4
/** A range that is as fast as this needs no others beside it: bytes per millisecond. */
const FAST_ENOUGH = (2 * 1024 * 1024) / 1_000
/** What has brought nothing more is not tried again for this long. */
const TRY_AGAIN_MS = 30_000

/** What the ranges of a host are doing. */
interface RangeLoad {
  /** Ranges that are read now. */
  readonly ranges: number
  /** Whether there is more to read than they may. */
  readonly isShort: boolean
}

/**
 * How many times the usual number of ranges there may be: twice as many are tried while ranges are slow and there is more
 * to read, and stay if they bring more. An origin that gives each connection a little, gives many of them a lot.
 */
export class RangeGrowth {
  #factor = 1
  /** What was brought before twice as many were tried, in bytes per millisecond. */
  #before: number | undefined
  #bytes = 0
  #since: number | undefined
  #notBefore = Number.NEGATIVE_INFINITY

  get factor(): number {
    return this.#factor
  }

  /** Whether more ranges have brought more: not while that is still tried. */
  get isProven(): boolean {
    return this.#factor > (this.#before === undefined ? 1 : 2)
  }

  came(bytes: number): void {
    this.#bytes += bytes
  }

  /** A range has failed: the origin may not stand this many. */
  failed(now: number): void {
    if (this.#factor > 1) this.#shrink(now)
  }

  /** Looks again. `most`: how large the factor may become. */
  tick({ ranges, isShort }: RangeLoad, most: number, now: number): void {
    if (ranges === 0) {
      this.#restart(undefined)
      this.#before = undefined
      return
    }
    // what begins is slow at first: that is no measure
    this.#since ??= now + WINDOW_MS
    if (now < this.#since) this.#bytes = 0
    if (now - this.#since < WINDOW_MS) return
    const rate = this.#bytes / (now - this.#since)
    this.#restart(now)
    if (this.#before !== undefined) this.#judge(this.#before, rate, now)
    const mayTry = this.#before === undefined && now >= this.#notBefore && this.#factor * 2 <= most
    if (!mayTry || !isShort || rate === 0 || rate / ranges >= FAST_ENOUGH) return
    this.#before = rate
    this.#factor *= 2
    this.#restart(now + WINDOW_MS)
  }

  #judge(before: number, rate: number, now: number): void {
    this.#before = undefined
    if (rate < WORTH_TIMES * before) this.#shrink(now)
  }

  #shrink(now: number): void {
    this.#factor /= 2
    this.#before = undefined
    this.#notBefore = now + TRY_AGAIN_MS
  }

  /** `since` may lie ahead: what comes until then does not count. */
  #restart(since: number | undefined): void {
    this.#since = since
    this.#bytes = 0
  }
}
