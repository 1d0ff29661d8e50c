import type { Clock } from '../base/clock.ts'
import type { Digest } from '../oci/digest.ts'
import { SwarmMembers } from '../scheduler/index.ts'
import type { HashRun, PeerAddress, PeerKey, PeerLink } from '../swarm/index.ts'

/** A swarm nobody joined or asked about for this long is forgotten; its members find one another without it. */
const IDLE_MS = 10 * 60_000
const SWEEP_EVERY_MS = 30_000

interface HomedSwarm {
  readonly members: SwarmMembers
  readonly links: Map<PeerKey, PeerLink>
  usedAt: number
}

/** The swarms this host is home of: who takes part, who is introduced to whom, who is told the hashes. */
export class HomeDesk {
  readonly #clock: Clock
  readonly #introduction: (link: PeerLink) => PeerAddress | undefined
  readonly #swarms = new Map<Digest, HomedSwarm>()
  #sweptAt = 0

  /** `introduction`: how a member is introduced to others; undefined when it cannot be dialled. */
  constructor(clock: Clock, introduction: (link: PeerLink) => PeerAddress | undefined) {
    this.#clock = clock
    this.#introduction = introduction
  }

  /** Lists a member and answers whom it should meet. */
  join(digest: Digest, link: PeerLink): { readonly peers: PeerAddress[]; readonly members: number } {
    const swarm = this.#swarms.get(digest) ?? {
      members: new SwarmMembers(),
      links: new Map(),
      usedAt: 0,
    }
    this.#swarms.set(digest, swarm)
    swarm.usedAt = this.#clock.now()
    const { key, zone } = link.peer
    swarm.members.add({ id: key, zone })
    swarm.links.set(key, link)
    const peers = swarm.members.introduce(key).flatMap((id): readonly PeerAddress[] => {
      const member = swarm.links.get(id)
      const introduced = member === undefined ? undefined : this.#introduction(member)
      return introduced === undefined ? [] : [introduced]
    })
    return { peers, members: swarm.members.size }
  }

  members(digest: Digest): PeerLink[] {
    return [...(this.#swarms.get(digest)?.links.values() ?? [])]
  }

  tell(digest: Digest, size: number, runs: readonly HashRun[]): void {
    if (runs.length === 0) return
    const swarm = this.#swarms.get(digest)
    if (swarm !== undefined) swarm.usedAt = this.#clock.now()
    for (const link of this.members(digest)) link.send({ type: 'hashes', blob: digest, size, runs })
  }

  leave(digest: Digest, link: PeerLink): void {
    const swarm = this.#swarms.get(digest)
    if (swarm === undefined || swarm.links.get(link.peer.key) !== link) return
    swarm.links.delete(link.peer.key)
    swarm.members.remove(link.peer.key)
    if (swarm.links.size === 0) this.#swarms.delete(digest)
  }

  unlinked(link: PeerLink): Digest[] {
    const left = [...this.#swarms]
      .filter(([, swarm]) => swarm.links.get(link.peer.key) === link)
      .map(([digest]) => digest)
    for (const digest of left) this.leave(digest, link)
    return left
  }

  /** This home cannot get the rest: members keep what they have and look elsewhere. */
  giveUp(digest: Digest): void {
    for (const link of this.members(digest)) link.send({ type: 'giveUp', blob: digest })
    this.#swarms.delete(digest)
  }

  /** Ends a swarm whose content turned out wrong: everybody starts over. */
  dissolve(digest: Digest): void {
    for (const link of this.members(digest)) link.send({ type: 'leave', blob: digest })
    this.#swarms.delete(digest)
  }

  tick(): void {
    const now = this.#clock.now()
    if (now - this.#sweptAt < SWEEP_EVERY_MS) return
    this.#sweptAt = now
    for (const [digest, swarm] of this.#swarms) if (now - swarm.usedAt > IDLE_MS) this.#swarms.delete(digest)
  }
}
