import { abortError, raceAbort, sleep } from '../base/abort.ts'
import type { Rng } from '../base/rng.ts'
import { rankHomes } from '../scheduler/index.ts'
import type { Handlers, PeerInfo, PeerLink, Swarm } from '../swarm/index.ts'
import type { DialedCache, DialerDeps } from './cache-dialer.ts'
import { CacheDialer } from './cache-dialer.ts'
import { HomeRequests } from './home-requests.ts'
import type { Introductions } from './introductions.ts'
import { KnownCaches } from './known-caches.ts'
import { KnownHosts } from './known-hosts.ts'
import { Lots } from './lots.ts'
import type { tierRequests } from './requests.ts'
import { Suspicion } from './suspicion.ts'

export interface TierOptions {
  /** Addresses of this region's caches (`host:port`, `dns:name:port`); empty = this host is its own tier. */
  readonly caches: readonly string[]
  /** Tiers above, nearest first. */
  readonly parents: readonly { readonly region: string; readonly caches: readonly string[] }[]
  /** How long a host waits for a cache to come back before it and its neighbours take turns at the origin. */
  readonly graceMs: number
}

interface TierDeps extends Omit<DialerDeps, 'region'> {
  readonly swarm: Swarm
  readonly rng: Rng
}

/** Whom to ask for a key: this host itself, or a linked one. */
export type Home = { readonly kind: 'self' } | { readonly kind: 'link'; readonly link: PeerLink }

/** As long as a home remembers who has a blob. */
const NEW_HOME_MS = 10 * 60_000
/** A host may wait this much longer than the grace until it has found the others: too early, each takes itself for home. */
const SEARCH_MS = 3_000

/**
 * Who is home for a key, in this region and in those above. Homes are found by rendezvous hashing over the caches that
 * are linked right now, so all hosts that see the same caches agree without asking anybody.
 *
 * When no cache of the region is linked and the grace is over, the region's hosts stand in for them: the highest-ranked
 * among this host and its linked neighbours acts as the key's home. It takes turns at the origin for the others, who
 * would otherwise all go there at once.
 */
export class Tier {
  readonly #options: TierOptions
  readonly #deps: TierDeps
  readonly #dialer: CacheDialer
  readonly #parentDialers: readonly { readonly region: string; readonly dialer: CacheDialer }[]
  readonly #knownHosts: KnownHosts
  readonly #lots: Lots
  readonly #known: KnownCaches
  readonly #suspicion: Suspicion
  readonly requests: HomeRequests
  readonly #stop = new AbortController()
  #lastCacheAt: number
  /** Since when the region's homes are what they are. */
  #homesSince: number
  #closed: Promise<void> | undefined

  constructor(options: TierOptions, deps: TierDeps) {
    this.#options = options
    this.#deps = deps
    this.#dialer = new CacheDialer({ ...deps, region: deps.swarm.self.region })
    this.#parentDialers = options.parents.map(({ region }) => ({
      region,
      dialer: new CacheDialer({ ...deps, region }),
    }))
    this.#lastCacheAt = deps.clock.now()
    this.#homesSince = this.#lastCacheAt
    this.#suspicion = new Suspicion(deps.clock)
    this.requests = new HomeRequests({ ...deps, suspicion: this.#suspicion })
    this.#known = new KnownCaches({ ...deps, own: this.#dialer, parents: this.#parentDialers })
    this.#lots = new Lots(deps)
    this.#knownHosts = new KnownHosts({
      ...deps,
      lots: this.#lots,
      acting: () => this.acting,
      isCache: (peer) => this.#known.has(peer),
    })
  }

  static start(options: TierOptions, deps: TierDeps): Tier {
    const tier = new Tier(options, deps)
    tier.#dialer.start(options.caches)
    if (options.caches.length > 0) tier.#knownHosts.start()
    for (const [i, { dialer }] of tier.#parentDialers.entries()) dialer.start(options.parents[i]?.caches ?? [])
    return tier
  }

  /** True once it is known whether a cache answers, or that none is configured. */
  async settled(signal: AbortSignal): Promise<void> {
    const dialled = Promise.all([this.#dialer.settled, ...this.#parentDialers.map(({ dialer }) => dialer.settled)])
    await raceAbort(
      dialled.then(() => {}),
      signal,
    )
  }

  /**
   * Linked caches of this region that may be homes, this host included if it is one. Suspects are left out only while
   * another is there: a slow cache is better than none. One that does not deliver is not.
   */
  #caches(): string[] {
    const { swarm } = this.#deps
    const self = swarm.self.role === 'cache' ? [swarm.self.key] : []
    if (this.#options.caches.length === 0 && self.length === 0) return []
    const linked = [...swarm.caches.values()]
      .filter(({ peer }) => peer.region === swarm.self.region && this.#known.has(peer))
      .map(({ peer }) => peer.key)
    return this.#suspicion.ranked([...self, ...linked])
  }

  /** Whether a peer counts as a cache here: of this region, of one above, or of another one. */
  isCache(peer: PeerInfo): boolean {
    return this.#known.has(peer)
  }

  /** Whether this host's region has no cache and its hosts stand in for one. */
  get acting(): boolean {
    return this.#options.caches.length > 0 && this.#caches().length === 0
  }

  /** The homes of `key`, best first; never empty. Caches while one is linked, else this host and its neighbours. */
  homes(key: string): Home[] {
    const { swarm } = this.#deps
    const caches = this.#caches()
    if (caches.length > 0) return this.#homesOf(this.#rank(key, caches))
    if (this.#options.caches.length === 0) return [{ kind: 'self' }]
    const hosts = this.#suspicion.ranked([swarm.self.key, ...this.#knownHosts.neighbours().map(({ peer }) => peer.key)])
    return this.#homesOf(this.#lots.rank(key, hosts))
  }

  /** The homes of `key` once the grace for a lost tier is over: waits only while no cache is linked. */
  async homesAfterGrace(key: string, signal: AbortSignal): Promise<Home[]> {
    if (this.acting) await raceAbort(this.#dialer.settled, signal)
    while (this.acting) {
      const left = this.#lastCacheAt + this.#options.graceMs - this.#deps.clock.now()
      if (left <= (this.#knownHosts.searching ? -SEARCH_MS : 0)) break
      await sleep(this.#deps.clock, Math.max(1, Math.min(left, 100)), AbortSignal.any([signal, this.#stop.signal]))
    }
    return this.homes(key)
  }

  /** The homes of `key` in the regions above that can be asked now, nearest region first. */
  parents(key: string): PeerLink[] {
    const links = [...this.#deps.swarm.caches.values()]
    return this.#parentDialers.flatMap(({ region }) => {
      return this.ranked(
        key,
        links.filter(({ peer }) => peer.region === region && this.#known.has(peer)),
      )
    })
  }

  /** The regions above this one, nearest first, whether they answer or not. */
  get parentRegions(): readonly string[] {
    return this.#options.parents.map(({ region }) => region)
  }

  /** Whether a region is one of those above this one. */
  isParentRegion(region: string): boolean {
    return this.#options.parents.some((parent) => parent.region === region)
  }

  /** Whether it is a cache of this region or of one above: what it says of pieces is believed from its own mouth. */
  isHomeward(peer: PeerInfo): boolean {
    return this.#known.isHomeward(peer)
  }

  /** Linked caches of one region, best first for `key`. */
  ranked(key: string, links: readonly PeerLink[]): PeerLink[] {
    const byKey = new Map(links.map((link) => [link.peer.key, link]))
    return this.#rank(key, this.#suspicion.ranked([...byKey.keys()])).flatMap((peer) => byKey.get(peer) ?? [])
  }

  get introductions(): Introductions {
    return this.#knownHosts.introductions
  }

  linked(link: PeerLink): void {
    this.#known.linked(link)
    this.#knownHosts.linked(link)
    if (this.#isOwnCache(link)) this.#homesSince = this.#deps.clock.now()
  }

  /** Whether this host may be home of what another was home of until lately: it has just started, or a cache has come or gone. */
  get isNewHome(): boolean {
    return this.#deps.clock.now() - this.#homesSince < NEW_HOME_MS
  }

  #isOwnCache({ peer }: PeerLink): boolean {
    return peer.region === this.#deps.swarm.self.region && this.#known.has(peer)
  }

  /** For what peers ask. */
  get handlers(): Handlers<typeof tierRequests> {
    return {
      members: async (link, { limit }) => {
        const peers = this.#knownHosts.sample(link.peer.region, link.peer.key, limit)
        return { kind: 'members', peers, lot: this.#lots.for(link) }
      },
    }
  }

  /** A link ended: if it was the last cache, the grace starts now. */
  unlinked(link: PeerLink): void {
    if (!this.#isOwnCache(link)) return
    this.#lastCacheAt = this.#deps.clock.now()
    this.#homesSince = this.#lastCacheAt
  }

  /** Leaves a cache out of the ranking for a while, as long as another is there. */
  suspect(key: string): void {
    this.#suspicion.suspect(key)
  }

  /** Takes a cache for gone for a while: it answers, and what it has does not come. */
  passOver(key: string): void {
    if (key !== this.#deps.swarm.self.key) this.#suspicion.passOver(key)
  }

  /** A cache has delivered what was asked of it. */
  delivered(key: string): void {
    this.#suspicion.forgive(key)
  }

  status(): {
    state: 'own' | 'linked' | 'acting'
    /** While `acting`: other hosts that are known to take turns at the origin with this one; else 0. */
    standIns: number
    caches: DialedCache[]
    parents: (DialedCache & { region: string })[]
  } {
    const { acting } = this
    return {
      state: this.#options.caches.length === 0 ? 'own' : acting ? 'acting' : 'linked',
      standIns: acting ? this.#knownHosts.neighbours().filter((link) => this.#lots.shownBy(link)).length : 0,
      caches: this.#dialer.caches(),
      parents: this.#parentDialers.flatMap(({ region, dialer }) =>
        dialer.caches().map((cache) => ({ region, ...cache })),
      ),
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= (async () => {
      this.#stop.abort(abortError('stopping'))
      await this.#knownHosts[Symbol.asyncDispose]()
      await Promise.all([this.#dialer.stop(), ...this.#parentDialers.map(({ dialer }) => dialer.stop())])
    })()
    return this.#closed
  }

  /** Caches rank by the secrets they have told. */
  #rank(key: string, caches: readonly string[]): string[] {
    const { self, links } = this.#deps.swarm
    return rankHomes(key, caches, (cache) => (cache === self.key ? self : links.get(cache)?.peer)?.rank)
  }

  #homesOf(keys: string[]): Home[] {
    const { swarm } = this.#deps
    return keys.flatMap((key): Home[] => {
      if (key === swarm.self.key) return [{ kind: 'self' }]
      const link = swarm.links.get(key)
      return link === undefined ? [] : [{ kind: 'link', link }]
    })
  }
}
