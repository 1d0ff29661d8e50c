import { parseAddress } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import { fairShare } from '../base/fair-share.ts'
import type { Logger } from '../base/log.ts'
import type { Rng } from '../base/rng.ts'
import { jittered } from '../base/rng.ts'
import { TaskGroup } from '../base/task-group.ts'
import type { PeerAddress, PeerInfo, PeerLink, Swarm } from '../swarm/index.ts'
import { addressGroup } from '../swarm/index.ts'
import { AddressProofs } from './address-proofs.ts'
import { Introductions } from './introductions.ts'
import { Located } from './located.ts'
import type { Lots } from './lots.ts'
import { tierRequests } from './requests.ts'

/** What one answer names, and what is kept in all: some 100 KB. */
const MEMBERS_MOST = 64
const KNOWN_MOST = 1_024
/** Of either, hosts at one address are this part at most, while there are others: identities cost nothing. */
const CROWD_PART = 4
/** Links between hosts that must do without caches; where a region has fewer hosts, all find each other. */
const LINKS_WANTED = 32
const DIALS_AT_ONCE = 8
/** Of the first try: one that is gone must not hold up the search. Each further one waits twice as long... */
const DIAL_TIMEOUT_MS = 2_000
/** ...since a host may only be busy: when caches are lost, all dial each other in the same second. */
const DIAL_TRIES = 4
const ASK_TIMEOUT_MS = 2_000
const LOOK_EVERY_MS = 250
/** A cache that thousands of hosts ask at once gathers its members once for all of them. */
const SAMPLED_FROM_MS = 1_000
/** A cache is asked soon after it is linked, then ever more rarely: fleets grow in their first minutes. */
const ASK_FIRST_MS = 2_000
const ASK_SELDOM_MS = 300_000

interface KnownHostsDeps {
  readonly swarm: Pick<Swarm, 'self' | 'links' | 'caches' | 'connect' | 'trust' | 'isAt'>
  readonly clock: Clock
  readonly logger: Logger
  readonly rng: Rng
  readonly lots: Lots
  /** Whether the region's caches are gone. */
  readonly acting: () => boolean
  /** Whether a peer counts as a cache. */
  readonly isCache: (peer: PeerInfo) => boolean
}

/**
 * Other hosts of this region, known while there is no need for them. As long as a cache is linked it is asked now and
 * then for some of its members; when all caches are gone, this host links to those it knows and asks them for more, so
 * that the region's hosts see each other and agree on who stands in as home. Where a host is, only a cache is believed, or
 * its signature: others pass that on.
 */
export class KnownHosts {
  /** Where hosts are, as this one tells others and is told by them. */
  readonly introductions: Introductions
  readonly #deps: KnownHostsDeps
  readonly #located: Located
  readonly #proofs: AddressProofs
  /** By peer; the one heard of longest ago goes first. */
  readonly #known = new Map<string, PeerAddress>()
  /** How often in a row a host could not be dialled. */
  readonly #missed = new WeakMap<PeerAddress, number>()
  readonly #tasks: TaskGroup
  #asked = new WeakSet<PeerLink>()
  #askAt: number
  #askWaitMs = ASK_FIRST_MS
  /** Whether all have been looked for since the caches were last there. */
  #searched = false
  #sampled: { readonly region: string; readonly members: readonly PeerAddress[]; readonly until: number } | undefined

  constructor(deps: KnownHostsDeps) {
    this.#deps = deps
    this.#tasks = new TaskGroup(deps.logger)
    const { swarm, clock } = deps
    this.#located = new Located(deps)
    this.#proofs = new AddressProofs({ trust: swarm.trust, region: swarm.self.region, clock })
    this.introductions = new Introductions({ swarm, located: this.#located, knownHosts: this })
    this.#askAt = deps.clock.now() + jittered(deps.rng, ASK_FIRST_MS)
  }

  start(): void {
    const { clock, acting } = this.#deps
    this.#tasks.loop("the region's hosts cannot be looked for", { clock, everyMs: LOOK_EVERY_MS }, async () => {
      if (acting()) {
        await this.#search(this.#tasks.signal)
        this.#searched = true
        return
      }
      this.#searched = false
      if (clock.now() >= this.#askAt) await this.#askCache(this.#tasks.signal)
    })
  }

  /** Whether this host, its caches gone, has yet to link to the hosts it knows and to hear who they are. */
  get searching(): boolean {
    return this.#deps.acting() && !this.#searched
  }

  /** Some hosts of `region`, at random, to introduce to `to`. */
  sample(region: string, to: string, most: number): PeerAddress[] {
    const members = this.#membersOf(region)
    const wanted = Math.min(most, MEMBERS_MOST, members.length)
    // in another order each second, and from another place each time
    const from = members.length === 0 ? 0 : this.#deps.rng.below(members.length)
    const others = [...members.slice(from), ...members.slice(0, from)].filter(({ key }) => key !== to)
    const named = fairShare(others, groupOf, { most: wanted, perGroup: Math.ceil(wanted / CROWD_PART) })
    return region === this.#deps.swarm.self.region ? named.map((peer) => this.#proofs.sign(peer)) : named
  }

  /** A host has been linked: it may be of use later. */
  linked(link: PeerLink): void {
    void this.#located.look(link)
    const { peer } = link
    const addresses = this.#located.of(link)
    if (peer.role !== 'agent' || peer.region !== this.#deps.swarm.self.region || addresses.length === 0) return
    // what a cache has signed is of more use than what this host has seen itself
    if (this.#known.get(peer.key)?.proof === undefined) this.#learn([{ key: peer.key, addresses }])
  }

  /** What is known of where a host is, with a cache's signature if there is one. */
  record(key: string): PeerAddress | undefined {
    return this.#known.get(key)
  }

  /** Those of the hosts that a peer names which may be dialled: a cache names hosts it has met, others hand proofs on. */
  believed(from: PeerLink, peers: readonly PeerAddress[]): PeerAddress[] {
    return this.#deps.isCache(from.peer) ? [...peers] : peers.filter((peer) => this.#proofs.holds(peer))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#located[Symbol.dispose]()
    await this.#tasks.stop()
  }

  /** Linked hosts of this region. */
  neighbours(): PeerLink[] {
    const { swarm } = this.#deps
    return [...swarm.links.values()].filter(({ peer }) => peer.role === 'agent' && peer.region === swarm.self.region)
  }

  async #askCache(signal: AbortSignal): Promise<void> {
    const { swarm, clock, isCache } = this.#deps
    this.#asked = new WeakSet()
    const cache = [...swarm.caches.values()].find(({ peer }) => peer.region === swarm.self.region && isCache(peer))
    if (cache === undefined) return
    this.#askWaitMs = Math.min(ASK_SELDOM_MS, this.#askWaitMs * 2)
    this.#askAt = clock.now() + jittered(this.#deps.rng, this.#askWaitMs)
    await this.#ask(cache, signal)
  }

  /** One round: asks hosts that have not been asked, dials those it knows, until there are links enough or nobody is left. */
  async #search(signal: AbortSignal): Promise<void> {
    const { swarm } = this.#deps
    const askedNow = new Set<PeerLink>()
    const dialled = new Set<string>()
    while (!signal.aborted && this.#deps.acting()) {
      const near = this.neighbours()
      const unasked = near.filter((link) => !this.#asked.has(link) && !askedNow.has(link))
      for (const link of unasked) askedNow.add(link)
      await Promise.all(unasked.map((link) => this.#ask(link, signal)))
      const next = [...this.#known.values()].filter(({ key }) => !swarm.links.has(key) && !dialled.has(key))
      const room = Math.min(DIALS_AT_ONCE, LINKS_WANTED - near.length)
      if (room <= 0 || next.length === 0) return
      const chosen = next.slice(-room)
      for (const { key } of chosen) dialled.add(key)
      await Promise.all(chosen.map((peer) => this.#dial(peer, signal)))
    }
  }

  #membersOf(region: string): readonly PeerAddress[] {
    const { swarm, clock } = this.#deps
    if (this.#sampled?.region === region && clock.now() < this.#sampled.until) return this.#sampled.members
    const members = new Map(region === swarm.self.region ? this.#known : [])
    for (const link of swarm.links.values()) {
      const { role, region: home, key } = link.peer
      const addresses = this.#located.of(link)
      const isNews = members.get(key)?.proof === undefined
      if (addresses.length === 0) void this.#located.look(link)
      if (role === 'agent' && home === region && addresses.length > 0 && isNews) members.set(key, { key, addresses })
    }
    this.#sampled = { region, members: this.#shuffled([...members.values()]), until: clock.now() + SAMPLED_FROM_MS }
    return this.#sampled.members
  }

  #shuffled(members: readonly PeerAddress[]): PeerAddress[] {
    const all = [...members]
    for (let last = all.length - 1; last > 0; last--) {
      const other = this.#deps.rng.below(last + 1)
      ;[all[last], all[other]] = [all[other]!, all[last]!]
    }
    return all
  }

  async #dial(peer: PeerAddress, signal: AbortSignal): Promise<void> {
    const missed = this.#missed.get(peer) ?? 0
    try {
      const limit = AbortSignal.timeout(DIAL_TIMEOUT_MS * 2 ** missed)
      await this.#deps.swarm.connect(peer, AbortSignal.any([signal, limit]))
    } catch (error) {
      signal.throwIfAborted()
      this.#missed.set(peer, missed + 1)
      if (missed + 1 >= DIAL_TRIES) this.#known.delete(peer.key)
      this.#deps.logger.debug({ peer: peer.key, err: error }, 'a host known from before is not reachable')
    }
  }

  async #ask(link: PeerLink, signal: AbortSignal): Promise<void> {
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)])
      const answer = await link.request(tierRequests.members, { limit: MEMBERS_MOST }, limit)
      // a host that has not answered is asked again by the next search
      this.#asked.add(link)
      if (answer.kind !== 'members') return
      this.#learn(this.believed(link, answer.peers))
      this.#deps.lots.told(link, this.#deps.isCache(link.peer), answer.lot)
    } catch (error) {
      signal.throwIfAborted()
      this.#deps.logger.debug({ peer: link.peer.key, err: error }, 'a peer did not say which other hosts it knows')
    }
  }

  /** Whoever was heard of longest ago, of the address that has most if it has more than its part. */
  #forgetOne(): void {
    const crowds = Map.groupBy(this.#known.values(), groupOf)
    let largest: readonly PeerAddress[] = []
    for (const crowd of crowds.values()) if (crowd.length > largest.length) largest = crowd
    const [oldest] = largest.length > KNOWN_MOST / CROWD_PART ? largest : this.#known.values()
    if (oldest !== undefined) this.#known.delete(oldest.key)
  }

  #learn(peers: readonly PeerAddress[]): void {
    for (const peer of peers) {
      const { key, addresses } = peer
      if (key === this.#deps.swarm.self.key || addresses.length === 0) continue
      this.#known.delete(key)
      this.#known.set(key, peer)
      if (this.#known.size > KNOWN_MOST) this.#forgetOne()
    }
  }
}

/** Whom the address belongs to at which a host is dialled. */
function groupOf({ addresses }: PeerAddress): string | undefined {
  const host = parseAddress(addresses[0] ?? '')?.host
  return host === undefined ? undefined : addressGroup(host)
}
