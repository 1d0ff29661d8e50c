/** A rate is taken over at least half of it, and at most all. */
const WINDOW_MS = 6_000
/** Less tells nothing. */
const LEAST_MS = 900
/** Totals that nobody asked about for this long say nothing about now. */
const STALE_MS = 20_000

/** Of one total: where its window begins, where the next one will, and where it is. */
interface Growth {
  baseAt: number
  base: number
  middleAt: number
  middle: number
  lastAt: number
  last: number
}

/** How fast totals that only grow do so, by key, per second, over the last seconds. Keys not noted any more are forgotten. */
export class GrowthRates {
  readonly #growths = new Map<string, Growth>()

  /** All totals of this moment, in milliseconds of a clock that never goes back. */
  note(totals: Iterable<readonly [key: string, total: number]>, now: number): void {
    for (const [key, total] of totals) {
      const known = this.#growths.get(key)
      if (known === undefined || now - known.lastAt > STALE_MS || total < known.last) {
        this.#growths.set(key, { baseAt: now, base: total, middleAt: now, middle: total, lastAt: now, last: total })
      } else grow(known, total, now)
    }
    for (const [key, { lastAt }] of this.#growths) if (lastAt !== now) this.#growths.delete(key)
  }

  /** Undefined while it is not known. */
  of(key: string): number | undefined {
    const growth = this.#growths.get(key)
    if (growth === undefined) return undefined
    const { base, baseAt, last, lastAt } = growth
    return lastAt - baseAt < LEAST_MS ? undefined : ((last - base) * 1000) / (lastAt - baseAt)
  }
}

function grow(growth: Growth, total: number, now: number): void {
  if (now - growth.middleAt >= WINDOW_MS / 2) {
    growth.baseAt = growth.middleAt
    growth.base = growth.middle
    growth.middleAt = now
    growth.middle = total
  }
  growth.lastAt = now
  growth.last = total
}
