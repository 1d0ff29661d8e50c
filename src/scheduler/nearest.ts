import type { Place } from './nearness.ts'
import { CROWD_MOST, isCrowd } from './nearness.ts'

/** The lowest-ranked few of many, in order: sorting all of ten thousand members for each that joins took minutes. */
class Nearest<T> {
  readonly members: T[] = []
  readonly #ranks: number[] = []
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  /** Whether one of this rank would be among them. */
  takes(rank: number): boolean {
    return this.#ranks.length < this.#most || rank < this.#ranks.at(-1)!
  }

  /** Returns who is out for it. */
  add(member: T, rank: number): T | undefined {
    const ranks = this.#ranks
    let at = ranks.length
    while (at > 0 && ranks[at - 1]! > rank) at--
    ranks.splice(at, 0, rank)
    this.members.splice(at, 0, member)
    if (ranks.length <= this.#most) return undefined
    ranks.pop()
    return this.members.pop()
  }

  rankOf(member: T): number {
    return this.#ranks[this.members.indexOf(member)] ?? Number.POSITIVE_INFINITY
  }

  remove(member: T): void {
    const at = this.members.indexOf(member)
    this.members.splice(at, 1)
    this.#ranks.splice(at, 1)
  }
}

/**
 * The nearest few of many, of whom no more than this many come from one address that is not the asker's own, as long as there
 * are others: identities cost nothing, and whoever makes many would be everybody's neighbours.
 */
export class FairNearest<T extends Place> {
  readonly #self: Place
  readonly #most: number
  readonly #fair: Nearest<T>
  /** Those that are too many of one address. */
  readonly #over: Nearest<T>
  /** How many of the fair ones are of each address: asked for every member of a swarm whenever one joins. */
  readonly #crowds = new Map<string, number>()

  constructor(self: Place, most: number) {
    this.#self = self
    this.#most = most
    this.#fair = new Nearest(most)
    this.#over = new Nearest(most)
  }

  takes(member: T, rank: number): boolean {
    const last = this.#lastOfCrowd(member)
    if (last === undefined) return this.#fair.takes(rank)
    return rank < this.#fair.rankOf(last) || this.#over.takes(rank)
  }

  add(member: T, rank: number): void {
    const last = this.#lastOfCrowd(member)
    const lastRank = last === undefined ? 0 : this.#fair.rankOf(last)
    if (last !== undefined && rank >= lastRank) {
      this.#over.add(member, rank)
      return
    }
    if (last !== undefined) {
      this.#fair.remove(last)
      this.#count(last, -1)
      this.#over.add(last, lastRank)
    }
    this.#count(member, 1)
    const out = this.#fair.add(member, rank)
    if (out !== undefined) this.#count(out, -1)
  }

  #count({ group }: T, by: number): void {
    if (group !== undefined) this.#crowds.set(group, by + (this.#crowds.get(group) ?? 0))
  }

  /** In order of their ranks; those too many fill up what others leave. */
  get members(): readonly T[] {
    return [...this.#fair.members, ...this.#over.members].slice(0, this.#most)
  }

  /** The farthest of those from the member's address, once there are as many as may be. */
  #lastOfCrowd(member: T): T | undefined {
    const { group } = member
    if (group === undefined || (this.#crowds.get(group) ?? 0) < CROWD_MOST) return undefined
    return isCrowd(this.#self, member) ? this.#fair.members.findLast((other) => other.group === group) : undefined
  }
}
