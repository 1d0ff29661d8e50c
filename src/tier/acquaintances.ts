import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { errorText } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Rng } from '../base/rng.ts'
import { jittered } from '../base/rng.ts'
import type { PeerAddress, PeerInfo, PeerLink, Swarm } from '../swarm/index.ts'
import { AddressProofs } from './address-proofs.ts'
import { Introductions } from './introductions.ts'
import { Located } from './located.ts'

/** What one answer names, and what is kept in all: some 100 KB. */
export const MEMBERS_MOST = 64
const KNOWN_MOST = 1_024
/** Links between hosts that must do without caches; where a region has fewer hosts, all find each other. */
const LINKS_WANTED = 32
const DIALS_AT_ONCE = 8
const DIAL_TIMEOUT_MS = 2_000
const ASK_TIMEOUT_MS = 2_000
const LOOK_EVERY_MS = 250
/** A cache that thousands of hosts ask at once gathers its members once for all of them. */
const SAMPLED_FROM_MS = 1_000
/** A cache is asked soon after it is linked, then ever more rarely: fleets grow in their first minutes. */
const ASK_FIRST_MS = 2_000
const ASK_SELDOM_MS = 300_000

export interface AcquaintancesDeps {
  readonly swarm: Pick<Swarm, 'self' | 'links' | 'caches' | 'connect' | 'trust' | 'isAt'>
  readonly clock: Clock
  readonly logger: Logger
  readonly rng: Rng
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
export class Acquaintances {
  /** Where hosts are, as this one tells others and is told by them. */
  readonly introductions: Introductions
  readonly #deps: AcquaintancesDeps
  readonly #located: Located
  readonly #proofs: AddressProofs
  /** By peer; the one heard of longest ago goes first. */
  readonly #known = new Map<string, PeerAddress>()
  readonly #asked = new Set<string>()
  readonly #stop = new AbortController()
  #loop: Promise<void> | undefined
  #askAt: number
  #askWaitMs = ASK_FIRST_MS
  #searching = false
  #sampled: { readonly region: string; readonly members: readonly PeerAddress[]; readonly until: number } | undefined

  constructor(deps: AcquaintancesDeps) {
    this.#deps = deps
    const { swarm, clock } = deps
    this.#located = new Located(deps)
    this.#proofs = new AddressProofs({ trust: swarm.trust, region: swarm.self.region, clock })
    this.introductions = new Introductions({ swarm, located: this.#located, acquaintances: this })
    this.#askAt = deps.clock.now() + jittered(deps.rng, ASK_FIRST_MS)
  }

  start(): void {
    // Ends by the stop signal only; everything else is handled inside.
    this.#loop ??= this.#run().catch(() => {})
  }

  /** Whether this host is still linking to the hosts it knows. */
  get searching(): boolean {
    return this.#searching
  }

  /** Some hosts of `region`, at random, to introduce to `to`. */
  sample(region: string, to: string, most: number): PeerAddress[] {
    const members = this.#membersOf(region)
    const wanted = Math.min(most, MEMBERS_MOST, members.length)
    const chosen = new Set<PeerAddress>()
    // One turn more than wanted at a time, for `to` may be among them; few members are all taken.
    if (members.length <= 2 * MEMBERS_MOST) for (const member of this.#shuffled(members)) chosen.add(member)
    else while (chosen.size <= wanted) chosen.add(members[this.#deps.rng.below(members.length)]!)
    const named = [...chosen].filter(({ key }) => key !== to).slice(0, wanted)
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
    this.#stop.abort(new DOMException('stopping', 'AbortError'))
    this.#located[Symbol.dispose]()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { clock, acting } = this.#deps
    const { signal } = this.#stop
    while (!signal.aborted) {
      if (acting()) await this.#search(signal)
      else if (clock.now() >= this.#askAt) await this.#askCache(signal)
      await sleep(clock, LOOK_EVERY_MS, signal)
    }
  }

  async #askCache(signal: AbortSignal): Promise<void> {
    const { swarm, clock, isCache } = this.#deps
    this.#asked.clear()
    const cache = [...swarm.caches.values()].find(({ peer }) => peer.region === swarm.self.region && isCache(peer))
    if (cache === undefined) return
    this.#askWaitMs = Math.min(ASK_SELDOM_MS, this.#askWaitMs * 2)
    this.#askAt = clock.now() + jittered(this.#deps.rng, this.#askWaitMs)
    await this.#ask(cache, signal)
  }

  /** One round: asks who has not been asked, dials whom it knows, until there are links enough or nobody is left. */
  async #search(signal: AbortSignal): Promise<void> {
    const { swarm } = this.#deps
    const tried = new Set<string>()
    this.#searching = true
    try {
      while (!signal.aborted && this.#deps.acting()) {
        const near = this.#near()
        await Promise.all(near.filter(({ peer }) => !this.#asked.has(peer.key)).map((link) => this.#ask(link, signal)))
        const next = [...this.#known.values()].filter(({ key }) => !swarm.links.has(key) && !tried.has(key))
        const room = Math.min(DIALS_AT_ONCE, LINKS_WANTED - near.length)
        if (room <= 0 || next.length === 0) return
        const chosen = next.slice(-room)
        for (const { key } of chosen) tried.add(key)
        await Promise.all(chosen.map((peer) => this.#dial(peer, signal)))
      }
    } finally {
      this.#searching = false
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
    this.#sampled = { region, members: [...members.values()], until: clock.now() + SAMPLED_FROM_MS }
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

  #near(): PeerLink[] {
    const { swarm } = this.#deps
    return [...swarm.links.values()].filter(({ peer }) => peer.role === 'agent' && peer.region === swarm.self.region)
  }

  async #dial(peer: PeerAddress, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.swarm.connect(peer, AbortSignal.any([signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]))
    } catch (error) {
      signal.throwIfAborted()
      this.#known.delete(peer.key)
      this.#deps.logger.debug({ peer: peer.key, err: errorText(error) }, 'a host known from before is not reachable')
    }
  }

  async #ask(link: PeerLink, signal: AbortSignal): Promise<void> {
    this.#asked.add(link.peer.key)
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)])
      const answer = await link.call('members', { limit: MEMBERS_MOST }, limit)
      if (answer.kind === 'members') this.#learn(this.believed(link, answer.peers))
    } catch (error) {
      signal.throwIfAborted()
      this.#deps.logger.debug({ peer: link.peer.key, err: errorText(error) }, 'a peer names no others')
    }
  }

  #learn(peers: readonly PeerAddress[]): void {
    for (const peer of peers) {
      const { key, addresses } = peer
      if (key === this.#deps.swarm.self.key || addresses.length === 0) continue
      this.#known.delete(key)
      this.#known.set(key, peer)
      const oldest = this.#known.keys().next()
      if (this.#known.size > KNOWN_MOST && oldest.done !== true) this.#known.delete(oldest.value)
    }
  }
}
