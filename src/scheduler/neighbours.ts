import { KeptNeighbours } from './kept-neighbours.ts'
import { FairNearest } from './nearest.ts'
import type { Place } from './nearness.ts'
import { isNear, placeHash, rank } from './nearness.ts'

/** How many a member is introduced to each time it asks. Some find others that are nearer to them later. */
const INTRODUCED = 12
const FAR_SHARE = 0.2

export interface Member {
  readonly id: string
  readonly zone: string | null
  /** Whom its address belongs to, as the home sees it. */
  readonly group?: string | undefined
}

interface Listed extends Place {
  readonly id: string
  zone: string | null
  /** Whom it was introduced to, or they to it. */
  readonly met: Set<Listed>
  /** Of these, whom it should still have, by the rule that it goes by itself. */
  readonly kept: KeptNeighbours<Listed>
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

  /** Lists a member, or notes its new zone. */
  add({ id, zone, group }: Member): void {
    const known = this.#members.get(id)
    if (known !== undefined) this.#move(known, zone)
    else this.#members.set(id, { id, zone, group, hash: placeHash(id), met: new Set(), kept: new KeptNeighbours() })
  }

  #move(known: Listed, zone: string | null): void {
    if (known.zone === zone) return
    known.zone = zone
    known.kept.moved()
    for (const other of known.met) other.kept.moved()
  }

  remove(id: string): boolean {
    const gone = this.#members.get(id)
    for (const other of gone?.met ?? []) {
      other.met.delete(gone!)
      other.kept.delete(gone!)
    }
    return this.#members.delete(id)
  }

  /**
   * Whom a member should meet now, others each time it asks: most from its own zone, some from anywhere else, and
   * nobody who would refuse, being near to enough others.
   */
  introduce(id: string): string[] {
    const self = this.#members.get(id)
    if (self === undefined) return []
    let chosen = this.#nearest(self, (other) => !self.met.has(other) && other.kept.admits(other, self))
    // in a small swarm everybody has met: what did not work out may do so now
    if (chosen.length === 0) chosen = this.#nearest(self, () => true)
    for (const other of chosen) {
      self.met.add(other)
      other.met.add(self)
      self.kept.add(other)
      other.kept.add(self)
      giveUpOne(other)
      giveUpOne(self)
    }
    return chosen.map((other) => other.id)
  }

  #nearest(self: Listed, admits: (other: Listed) => boolean): Listed[] {
    const near = new FairNearest<Listed>(self, INTRODUCED)
    const far = new FairNearest<Listed>(self, INTRODUCED)
    for (const other of this.#members.values()) {
      if (other === self) continue
      const list = isNear(self, other) ? near : far
      const theirs = rank(self, other)
      if (list.takes(other, theirs) && admits(other)) list.add(other, theirs)
    }
    const share = Math.max(1, Math.round(INTRODUCED * FAR_SHARE), INTRODUCED - near.members.length)
    const farWanted = Math.min(far.members.length, share)
    return [...near.members.slice(0, INTRODUCED - farWanted), ...far.members.slice(0, farWanted)]
  }
}

function giveUpOne(member: Listed): void {
  const other = member.kept.oneTooMany(member)
  if (other === undefined) return
  member.kept.delete(other)
  other.kept.delete(member)
}
