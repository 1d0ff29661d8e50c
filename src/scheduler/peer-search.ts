/** A leecher that starves asks again at once, then ever less often. */
export const SEARCH_FIRST_MS = 500
const SEARCH_MOST_MS = 15_000

/** When a blob's home is asked for other neighbours. */
export class PeerSearch {
  #dueAt: number
  #waitMs = SEARCH_FIRST_MS
  /** When others were last asked for because a neighbour had left. */
  #partedAt = Number.NEGATIVE_INFINITY

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

  /** A neighbour has left. Whether others are asked for: not for each of many that leave together. */
  askFor(now: number): boolean {
    if (now - this.#partedAt < SEARCH_FIRST_MS) return false
    this.#partedAt = now
    return true
  }
}
