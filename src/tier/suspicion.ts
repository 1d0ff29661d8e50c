import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'

/** How long a cache that was slow or misbehaved is not ranked. */
const SUSPECT_MS = 30_000
/** How long one that does not deliver is taken for gone: twice as long each time. */
const PASSED_OVER_FIRST_MS = 30_000
const PASSED_OVER_MOST_MS = 5 * 60_000
const MAX_REMEMBERED = 1_024

/** Which hosts are not to be asked, by what they did. Private, and forgotten with time. */
export class Suspicion {
  readonly #clock: Clock
  readonly #suspects: ExpiringMap<true>
  /** Until when each is passed over, and how long that was; kept longer than that, to be longer the next time. */
  readonly #passedOver: ExpiringMap<{ readonly until: number; readonly ms: number }>

  constructor(clock: Clock) {
    this.#clock = clock
    this.#suspects = new ExpiringMap(clock, MAX_REMEMBERED)
    this.#passedOver = new ExpiringMap(clock, MAX_REMEMBERED)
  }

  /** Leaves a host out of the ranking for a while: others are better, none is worse. */
  suspect(key: string): void {
    this.#suspects.set(key, true, SUSPECT_MS)
  }

  /** Takes a host for gone: it answers, or holds its connection, and nothing comes of it. */
  passOver(key: string): void {
    const before = this.#passedOver.get(key)
    if (before !== undefined && before.until > this.#clock.now()) return
    const ms = Math.min(PASSED_OVER_MOST_MS, before === undefined ? PASSED_OVER_FIRST_MS : 2 * before.ms)
    this.#passedOver.set(key, { until: this.#clock.now() + ms, ms }, 4 * ms)
  }

  /** It delivered. */
  forgive(key: string): void {
    this.#suspects.delete(key)
    this.#passedOver.delete(key)
  }

  isPassedOver(key: string): boolean {
    return (this.#passedOver.get(key)?.until ?? Number.NEGATIVE_INFINITY) > this.#clock.now()
  }

  /** Of these, those to rank: suspects only while there is nobody else. */
  ranked(keys: readonly string[]): string[] {
    const present = keys.filter((key) => !this.isPassedOver(key))
    const trusted = present.filter((key) => this.#suspects.get(key) === undefined)
    return trusted.length > 0 ? trusted : present
  }
}
