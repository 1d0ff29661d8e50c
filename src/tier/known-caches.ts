import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Logger } from '../base/log.ts'
import type { PeerInfo, PeerLink, Swarm } from '../swarm/index.ts'
import type { CacheDialer } from './cache-dialer.ts'

/** Long enough for this host to have dialled the cache itself, if it is one of those it is configured with. */
const DOUBT_AFTER_MS = 15_000
const SAID_EVERY_MS = 24 * 60 * 60_000
const MAX_SAID = 256

interface KnownCachesDeps {
  readonly swarm: Pick<Swarm, 'self' | 'links'>
  readonly clock: Clock
  readonly logger: Logger
  readonly own: CacheDialer
  readonly parents: readonly { readonly region: string; readonly dialer: CacheDialer }[]
}

/**
 * Which peers count as caches here. An authority's word is enough. Without one, whoever has the fleet's cache key can say it
 * is a cache of any region: then only those count for this region, and for one above, whom this host has reached itself at
 * an address that it was configured with. Of other regions nothing is asked, so there the key is enough.
 */
export class KnownCaches {
  readonly #deps: KnownCachesDeps
  readonly #said: ExpiringMap<true>

  constructor(deps: KnownCachesDeps) {
    this.#deps = deps
    this.#said = new ExpiringMap(deps.clock, MAX_SAID)
  }

  has({ key, role, region, certified }: PeerInfo): boolean {
    if (role !== 'cache') return false
    if (certified === true || key === this.#deps.swarm.self.key) return true
    const dialers = this.#dialersOf(region)
    // the link is there before its dialler hears of it
    const dialled = this.#deps.swarm.links.get(key)?.dialled
    const isOneOf = (dialer: CacheDialer): boolean =>
      dialer.reached(key) || (dialled !== undefined && dialer.dials(dialled))
    return dialers.length === 0 || dialers.some(isOneOf)
  }

  /** Whether it is a cache of this region or of one above. */
  isHomeward(peer: PeerInfo): boolean {
    return this.has(peer) && this.#dialersOf(peer.region).length > 0
  }

  /** A peer has linked. If it says it is a cache and may be one of those configured, they are dialled now rather than later. */
  linked(link: PeerLink): void {
    const { peer } = link
    if (peer.role !== 'cache' || this.has(peer)) return
    for (const dialer of this.#dialersOf(peer.region)) dialer.retry()
    this.#deps.clock.after(DOUBT_AFTER_MS, () => this.#doubt(link))
  }

  #dialersOf(region: string): CacheDialer[] {
    const { swarm, own, parents } = this.#deps
    const above = parents.filter((parent) => parent.region === region).map(({ dialer }) => dialer)
    return region === swarm.self.region ? [own, ...above] : above
  }

  #doubt(link: PeerLink): void {
    const { swarm, logger } = this.#deps
    const { peer } = link
    if (swarm.links.get(peer.key) !== link || this.has(peer) || this.#said.get(peer.key) === true) return
    this.#said.set(peer.key, true, SAID_EVERY_MS)
    logger.warn(
      { peer: peer.key, region: peer.region, addresses: peer.addresses },
      'a peer with the cache key is at none of the configured addresses and counts as a member only; if it is a cache, add it to tier.caches or tier.parents',
    )
  }
}
