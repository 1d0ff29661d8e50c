import { hash53, pairHash } from './hash.ts'

/** How many neighbours a member is handed, and how many it accepts in all: 4 to 16 are equally good, 2 or 32 are not. */
export const NEIGHBOURS_WANTED = 10
const NEAR_SHARE = 0.8

export interface Member {
  readonly id: string
  readonly zone: string | null
}

/** How many a member meets when it joins: those that join later are sent to it, too, which doubles that. */
const NEIGHBOURS_AT_FIRST = 7
/** A member that has met so many is not handed out any more: it would refuse, and the one who asks would lack it. */
const MET_MOST = 16

interface Listed {
  readonly id: string
  zone: string | null
  readonly hash: number
  /** Whom it was introduced to, or they to it. */
  readonly met: Set<Listed>
}

/**
 * The members of one blob's swarm, as its home knows them, and who should meet whom. Candidates are ranked by the hash
 * of the pair of hosts, so every home gives a host the same neighbours for every layer of an image, and the graph over
 * all hosts is random: no clique of empty peers can form (kraken#162).
 */
export class SwarmMembers {
  readonly #members = new Map<string, Listed>()

  get size(): number {
    return this.#members.size
  }

  ids(): IterableIterator<string> {
    return this.#members.keys()
  }

  has(id: string): boolean {
    return this.#members.has(id)
  }

  /** Lists a member, or notes its new zone. */
  add(member: Member): void {
    const { id, zone } = member
    const known = this.#members.get(id)
    if (known !== undefined) known.zone = zone
    else this.#members.set(id, { id, zone, hash: hash53(id) >>> 0, met: new Set() })
  }

  remove(id: string): boolean {
    const gone = this.#members.get(id)
    for (const other of gone?.met ?? []) other.met.delete(gone!)
    return this.#members.delete(id)
  }

  /**
   * Whom a member should meet now, others each time it asks. Nobody is handed out more often than it will accept: the
   * first to join would else be everybody's neighbours, and the last have none that listens.
   */
  introduce(id: string): string[] {
    const self = this.#members.get(id)
    if (self === undefined) return []
    let chosen = this.#nearest(
      self,
      NEIGHBOURS_AT_FIRST,
      0,
      (other) => other.met.size < MET_MOST && !self.met.has(other),
    )
    // in a small swarm everybody has met: what did not work out may do so now
    if (chosen.length === 0) chosen = this.#nearest(self, NEIGHBOURS_AT_FIRST, self.met.size, () => true)
    for (const other of chosen) {
      const listed = this.#members.get(other)!
      self.met.add(listed)
      listed.met.add(self)
    }
    return chosen
  }

  /**
   * Up to `wanted` neighbours for a member: most from its own zone, the rest from anywhere else. `salt` other than 0
   * gives another draw, for a member whose first neighbours did not work out.
   */
  neighboursOf(id: string, wanted: number = NEIGHBOURS_WANTED, salt: number = 0): string[] {
    const self = this.#members.get(id)
    return self === undefined ? [] : this.#nearest(self, wanted, salt, () => true)
  }

  #nearest(self: Listed, wanted: number, salt: number, admits: (other: Listed) => boolean): string[] {
    const near = new Nearest(wanted)
    const far = new Nearest(wanted)
    for (const other of this.#members.values()) {
      if (other === self || !admits(other)) continue
      const rank = pairHash(self.hash ^ salt, other.hash ^ salt)
      if (self.zone === null || other.zone === self.zone) near.add(other.id, rank)
      else far.add(other.id, rank)
    }
    const farWanted =
      far.ids.length === 0 ? 0 : Math.max(1, Math.round(wanted * (1 - NEAR_SHARE)), wanted - near.ids.length)
    return [...near.ids.slice(0, wanted - Math.min(farWanted, far.ids.length)), ...far.ids.slice(0, farWanted)]
  }
}

/** The lowest-ranked few of many, in order: sorting all of ten thousand members for each that joins took minutes. */
class Nearest {
  readonly ids: string[] = []
  readonly #ranks: number[] = []
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  add(id: string, rank: number): void {
    const ranks = this.#ranks
    if (ranks.length >= this.#most && rank >= (ranks.at(-1) ?? 0)) return
    let at = ranks.length
    while (at > 0 && ranks[at - 1]! > rank) at--
    ranks.splice(at, 0, rank)
    this.ids.splice(at, 0, id)
    if (ranks.length <= this.#most) return
    ranks.pop()
    this.ids.pop()
  }
}
