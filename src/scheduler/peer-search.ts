/** A leecher that starves asks again at once, then ever less often. */
export const SEARCH_FIRST_MS = 500
const SEARCH_MOST_MS = 15_000
/** Neighbours that leave within this time of a question are one reason for the next; four times as long for the one after. */
const PARTED_LEAST_MS = 40

/** When a blob's home is asked for other neighbours. */
export class PeerSearch {
  #dueAt: number
  #waitMs = SEARCH_FIRST_MS
  /** When others were last asked for because a neighbour had left. */
  #partedAt = Number.NEGATIVE_INFINITY
  #partedWaitMs = PARTED_LEAST_MS
  #isShort = false

  constructor(now: number) {
    this.#dueAt = now + SEARCH_FIRST_MS
  }

  isDue(now: number): boolean {
    return this.#dueAt <= now
  }

  asked(now: number): void {
    this.#waitMs = Math.min(SEARCH_MOST_MS, this.#waitMs * 2)
    this.#dueAt = now + this.#waitMs
  }

  /** Something has come: the next search is not the one after many. */
  found(): void {
    this.#waitMs = SEARCH_FIRST_MS
  }

  /** Whether more neighbours have left since others were last asked for on that account. */
  get isShort(): boolean {
    return this.#isShort
  }

  /** A neighbour has left. Whether others are asked for now: not for each of many that leave together, but after the last. */
  askFor(now: number): boolean {
    const sinceMs = now - this.#partedAt
    this.#isShort = sinceMs < this.#partedWaitMs
    if (this.#isShort) return false
    this.#partedWaitMs = sinceMs < SEARCH_FIRST_MS ? Math.min(SEARCH_FIRST_MS, 4 * this.#partedWaitMs) : PARTED_LEAST_MS
    this.#partedAt = now
    return true
  }
}
