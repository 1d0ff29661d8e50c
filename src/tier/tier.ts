import { raceAbort, sleep } from '../base/abort.ts'
import { ASK_MS } from '../base/patience.ts'
import type { Rng } from '../base/rng.ts'
import { rankHomes } from '../scheduler/index.ts'
import type { CallName, CallRefusal, CallResults, PeerAddress, PeerInfo, PeerLink, Swarm } from '../swarm/index.ts'
import { Acquaintances } from './acquaintances.ts'
import type { DialedCache, DialerDeps } from './cache-dialer.ts'
import { CacheDialer } from './cache-dialer.ts'
import type { Introductions } from './introductions.ts'
import { KnownCaches } from './known-caches.ts'
import type { Question } from './questions.ts'
import { Questions } from './questions.ts'
import { Suspicion } from './suspicion.ts'

export interface TierOptions {
  /** Addresses of this region's caches (`host:port`, `dns:name:port`); empty = this host is its own tier. */
  readonly caches: readonly string[]
  /** Tiers above, nearest first. */
  readonly parents: readonly { readonly region: string; readonly caches: readonly string[] }[]
  /** How long a host waits for a cache to come back before it and its neighbours take turns at the origin. */
  readonly graceMs: number
}

export interface TierDeps extends DialerDeps {
  readonly swarm: Swarm
  readonly rng: Rng
}

/** Whom to ask for a key: this host itself, or a linked one. */
export type Home = { readonly kind: 'self' } | { readonly kind: 'link'; readonly link: PeerLink }

export interface Asked<N extends CallName> {
  /** Who answered; undefined when nobody could and `answer` is the last refusal. */
  readonly link: PeerLink | undefined
  readonly answer: CallResults[N]
}

/** With nobody left to ask instead, a slow answer is better than none; the runtime's own patience ends the wait. */
const LAST_ASK_TIMEOUT_MS = 25_000
/** So long a host asks others that stand in for the caches before it turns to the origin itself. */
const MEMBERS_PATIENCE_MS = 4_000
/** As long as a home remembers who has a blob. */
const NEW_HOME_MS = 10 * 60_000
/** So much longer than the grace a host may wait until it has found the others: too early, each takes itself for home. */
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
  readonly #acquaintances: Acquaintances
  readonly #known: KnownCaches
  readonly #suspicion: Suspicion
  readonly #questions: Questions
  readonly #stop = new AbortController()
  #lastCacheAt: number
  /** Since when the region's homes are what they are. */
  #homesSince: number
  #closed: Promise<void> | undefined

  constructor(options: TierOptions, deps: TierDeps) {
    this.#options = options
    this.#deps = deps
    this.#dialer = new CacheDialer(deps)
    this.#parentDialers = options.parents.map(({ region }) => ({ region, dialer: new CacheDialer(deps) }))
    this.#lastCacheAt = deps.clock.now()
    this.#homesSince = this.#lastCacheAt
    this.#suspicion = new Suspicion(deps.clock)
    this.#questions = new Questions({ ...deps, suspicion: this.#suspicion })
    this.#known = new KnownCaches({ ...deps, own: this.#dialer, parents: this.#parentDialers })
    this.#acquaintances = new Acquaintances({
      ...deps,
      acting: () => this.acting,
      isCache: (peer) => this.#known.has(peer),
    })
  }

  static start(options: TierOptions, deps: TierDeps): Tier {
    const tier = new Tier(options, deps)
    tier.#dialer.start(options.caches)
    if (options.caches.length > 0) tier.#acquaintances.start()
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
    if (caches.length > 0) return this.#asHomes(this.#rank(key, caches))
    if (this.#options.caches.length === 0) return [{ kind: 'self' }]
    const near = [...swarm.links.values()].filter(
      ({ peer }) => peer.role === 'agent' && peer.region === swarm.self.region,
    )
    return this.#asHomes(rankHomes(key, this.#suspicion.ranked([swarm.self.key, ...near.map(({ peer }) => peer.key)])))
  }

  /** The homes of `key` once the grace for a lost tier is over: waits only while no cache is linked. */
  async homesAfterGrace(key: string, signal: AbortSignal): Promise<Home[]> {
    if (this.acting) await raceAbort(this.#dialer.settled, signal)
    while (this.acting) {
      const left = this.#lastCacheAt + this.#options.graceMs - this.#deps.clock.now()
      if (left <= (this.#acquaintances.searching ? -SEARCH_MS : 0)) break
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

  /**
   * Asks the homes of `key` by rank; a home that cannot be reached or cannot help is passed over for its stand-in.
   * Undefined when this host turns out to be the home itself.
   */
  async askHomes<N extends CallName>(
    key: string,
    question: Question<N>,
    signal: AbortSignal,
  ): Promise<Asked<N> | undefined> {
    return this.#askRanked(key, question, () => true, signal)
  }

  /**
   * The same for what is only a peer's word: caches are asked, hosts that stand in for them are not. Undefined as well
   * when the caches are gone.
   */
  async askCaches<N extends CallName>(
    key: string,
    question: Question<N>,
    signal: AbortSignal,
  ): Promise<Asked<N> | undefined> {
    return this.#askRanked(key, question, isCache, signal)
  }

  async #askRanked<N extends CallName>(
    key: string,
    question: Question<N>,
    believes: (link: PeerLink) => boolean,
    signal: AbortSignal,
  ): Promise<Asked<N> | undefined> {
    const tried = new Set<string>()
    let refused: CallRefusal = { kind: 'refused', reason: 'unavailable', message: 'no cache of this region answers' }
    let patience: number | undefined
    for (;;) {
      const homes = await this.homesAfterGrace(key, signal)
      const home = homes.find((candidate) => candidate.kind === 'self' || !tried.has(candidate.link.peer.key))
      if (home === undefined) return { link: undefined, answer: refused }
      if (home.kind === 'self' || !believes(home.link)) return undefined
      if (!isCache(home.link)) {
        // hosts that stand in for the caches may be silent one after the other: then this one does without them
        patience ??= this.#deps.clock.now() + MEMBERS_PATIENCE_MS
        if (this.#deps.clock.now() >= patience) return undefined
      }
      tried.add(home.link.peer.key)
      const another = homes.some((candidate) => candidate.kind === 'self' || !tried.has(candidate.link.peer.key))
      const answer = await this.#questions.ask(key, home.link, question, another ? ASK_MS : LAST_ASK_TIMEOUT_MS, signal)
      // that there is no such thing is for the origin to say, or for a cache that has asked it
      if (answer?.kind === 'refused' && !isUnavailable(answer) && !isCache(home.link)) return undefined
      if (answer !== undefined && !isUnavailable(answer)) return { link: home.link, answer }
      if (answer?.kind === 'refused') refused = answer
    }
  }

  /** Asks the homes of `key` in the regions above, nearest first. Undefined when none of them can help. */
  async askParents<N extends CallName>(
    key: string,
    question: Question<N>,
    signal: AbortSignal,
  ): Promise<Asked<N> | undefined> {
    for (const link of this.parents(key)) {
      const answer = await this.#questions.ask(key, link, question, ASK_MS, signal)
      if (answer !== undefined && !isUnavailable(answer)) return { link, answer }
    }
    return undefined
  }

  get introductions(): Introductions {
    return this.#acquaintances.introductions
  }

  linked(link: PeerLink): void {
    this.#known.linked(link)
    this.#acquaintances.linked(link)
    if (this.#isOwnCache(link)) this.#homesSince = this.#deps.clock.now()
  }

  /** Whether this host may be home of what another was home of until lately: it has just started, or a cache has come or gone. */
  get isNewHome(): boolean {
    return this.#deps.clock.now() - this.#homesSince < NEW_HOME_MS
  }

  #isOwnCache({ peer }: PeerLink): boolean {
    return peer.region === this.#deps.swarm.self.region && this.#known.has(peer)
  }

  /** Hosts of the peer's region that it may want to know when this host is gone. */
  members(link: PeerLink, most: number): PeerAddress[] {
    return this.#acquaintances.sample(link.peer.region, link.peer.key, most)
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

  /** See Questions. */
  isBusy(key: string, overloaded: boolean): boolean {
    return this.#questions.isBusy(key, overloaded)
  }

  /** A cache has delivered what was asked of it. */
  delivered(key: string): void {
    this.#suspicion.forgive(key)
  }

  status(): {
    state: 'own' | 'linked' | 'acting'
    caches: DialedCache[]
    parents: (DialedCache & { region: string })[]
  } {
    return {
      state: this.#options.caches.length === 0 ? 'own' : this.acting ? 'acting' : 'linked',
      caches: this.#dialer.caches(),
      parents: this.#parentDialers.flatMap(({ region, dialer }) =>
        dialer.caches().map((cache) => ({ region, ...cache })),
      ),
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= (async () => {
      this.#stop.abort(new DOMException('stopping', 'AbortError'))
      await this.#acquaintances[Symbol.asyncDispose]()
      await Promise.all([this.#dialer.stop(), ...this.#parentDialers.map(({ dialer }) => dialer.stop())])
    })()
    return this.#closed
  }

  /** Caches rank by the secrets they have told; hosts that stand in for them by their names, which is all they can be held to. */
  #rank(key: string, caches: readonly string[]): string[] {
    const { self, links } = this.#deps.swarm
    return rankHomes(key, caches, (cache) => (cache === self.key ? self : links.get(cache)?.peer)?.rank)
  }

  #asHomes(keys: string[]): Home[] {
    const { swarm } = this.#deps
    return keys.flatMap((key): Home[] => {
      if (key === swarm.self.key) return [{ kind: 'self' }]
      const link = swarm.links.get(key)
      return link === undefined ? [] : [{ kind: 'link', link }]
    })
  }
}

function isCache({ peer }: PeerLink): boolean {
  return peer.role === 'cache'
}

function isUnavailable(answer: CallResults[CallName]): answer is CallRefusal {
  return answer.kind === 'refused' && answer.reason === 'unavailable'
}
