import type { Place } from './nearness.ts'
import { CROWD_MOST, FAR_MOST, isCrowd, isNear, NEIGHBOURS_MOST, oneTooMany, rank } from './nearness.ts'

/** What `oneTooMany` goes by, of those a host keeps. */
interface Summary {
  /** The farthest ranks, in its zone and of others; -1 for none. */
  readonly near: number
  readonly far: number
  readonly farCount: number
  /** How many are of each address that counts. */
  readonly crowds: ReadonlyMap<string, number>
  readonly isCrowded: boolean
}

/**
 * Whom a host keeps as neighbours, as its home sees it. Whether one more would be kept is asked of nearly all members
 * whenever one joins, and they seldom change: remembered, an answer costs a comparison.
 */
export class KeptNeighbours<T extends Place> {
  readonly #kept = new Set<T>()
  #summary: Summary | undefined

  add(other: T): void {
    this.#kept.add(other)
    this.#summary = undefined
  }

  delete(other: T): void {
    if (this.#kept.delete(other)) this.#summary = undefined
  }

  /** The zone of the host, or of one of these, is another. */
  moved(): void {
    this.#summary = undefined
  }

  /** Whom `self` gives up, if they are too many. */
  oneTooMany(self: T): T | undefined {
    return this.#kept.size <= NEIGHBOURS_MOST ? undefined : oneTooMany(self, [...this.#kept])
  }

  /** Whether `self` would keep `other`, too: not where `oneTooMany` would give up that very one. */
  admits(self: T, other: T): boolean {
    if (this.#kept.size < NEIGHBOURS_MOST) return true
    this.#summary ??= summaryOf(self, this.#kept)
    const { near, far, farCount, crowds, isCrowded } = this.#summary
    const isOneMore = isCrowd(self, other) && (crowds.get(other.group!) ?? 0) >= CROWD_MOST
    if (isCrowded || isOneMore) return oneTooMany(self, [...this.#kept, other]) !== other
    if (isNear(self, other)) return farCount > FAR_MOST || rank(self, other) <= near
    return farCount < FAR_MOST || rank(self, other) <= far
  }
}

function summaryOf<T extends Place>(self: T, kept: Iterable<T>): Summary {
  let near = -1
  let far = -1
  let farCount = 0
  const crowds = new Map<string, number>()
  for (const other of kept) {
    if (isNear(self, other)) near = Math.max(near, rank(self, other))
    else {
      far = Math.max(far, rank(self, other))
      farCount++
    }
    if (isCrowd(self, other)) crowds.set(other.group!, 1 + (crowds.get(other.group!) ?? 0))
  }
  const isCrowded = [...crowds.values()].some((count) => count > CROWD_MOST)
  return { near, far, farCount, crowds, isCrowded }
}
