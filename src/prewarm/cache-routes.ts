import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { CACHE_ANSWER_MS } from '../base/patience.ts'
import type { PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import { homeKeyOf } from './job.ts'
import { unanswered } from './job-refusals.ts'
import type { Messenger } from './messenger.ts'
import type { RequestName, RequestOf, ResponseTo } from './requests.ts'

interface CacheRoutesDeps {
  readonly logger: Logger
  readonly swarm: Pick<Swarm, 'self'>
  readonly tier: Tier
  readonly messenger: Messenger
}

/** Requests that go up to the caches which keep the jobs. */
type UpName = Exclude<RequestName, 'survey' | 'need' | 'purgeCounts'>

/** Sends requests to the caches that can respond: those of this region, of the one above, or of those below. */
export class CacheRoutes {
  readonly #deps: CacheRoutesDeps

  constructor(deps: CacheRoutesDeps) {
    this.#deps = deps
  }

  /** Asks the region's caches, best first for `key`; where this host is one of them, `here` responds in its turn. */
  async up<N extends UpName>(
    request: RequestOf<N>,
    key: string,
    signal: AbortSignal,
    here?: () => Promise<ResponseTo<N>>,
  ): Promise<ResponseTo<N>> {
    const homes = this.#deps.tier.homes(homeKeyOf(key))
    const self = here === undefined ? -1 : homes.findIndex(({ kind }) => kind === 'self')
    const before = self < 0 ? homes : homes.slice(0, self)
    const links = before.flatMap((home) => (home.kind === 'link' && home.link.peer.role === 'cache' ? home.link : []))
    const response = await this.#first(links, request, signal).catch((error: unknown) => {
      if (self < 0 || !isShoalError(error, 'UNAVAILABLE')) throw error
      return undefined
    })
    if (response !== undefined) return response.value
    if (here === undefined || self < 0) throw unanswered([this.#deps.swarm.self.region])
    return here()
  }

  /** What the region above says; undefined where there is none that can be asked. */
  above<N extends UpName>(
    request: RequestOf<N>,
    key: string,
    signal: AbortSignal,
  ): Promise<{ readonly value: ResponseTo<N> } | undefined> {
    return this.#first(this.#deps.tier.parents(homeKeyOf(key)), request, signal)
  }

  /** What the region has to say that has none above it. Throws `UNAVAILABLE`, saying what is `kept` there. */
  async atTheTop<N extends UpName>(
    request: RequestOf<N>,
    { key, kept }: { readonly key: string; readonly kept: string },
    signal: AbortSignal,
    here: () => Promise<ResponseTo<N>>,
  ): Promise<ResponseTo<N>> {
    const above = await this.above(request, key, signal)
    if (above !== undefined) return above.value
    const { parentRegions } = this.#deps.tier
    if (parentRegions.length > 0) throw unanswered(parentRegions, undefined, `, and there ${kept} are kept`)
    return here()
  }

  /** Asks one cache of each region below, or of `region` if that is one; regions that do not answer are left out. */
  async down<N extends 'survey' | 'hosts' | 'purgeCounts'>(
    request: RequestOf<N>,
    key: string,
    signal: AbortSignal,
    region?: string,
  ): Promise<ResponseTo<N>[]> {
    const below = this.#below(homeKeyOf(key))
    const direct = region === undefined ? undefined : below.get(region)
    const regions = direct === undefined ? [...below.values()] : [direct]
    const answers = await Promise.allSettled(regions.map((links) => this.#first(links, request, signal)))
    signal.throwIfAborted()
    return answers.flatMap((response) =>
      response.status === 'fulfilled' && response.value !== undefined ? [response.value.value] : [],
    )
  }

  /** The first answer; undefined when there is nobody to ask. What a cache refuses is an answer, too. Throws `UNAVAILABLE`. */
  async #first<N extends RequestName>(
    links: readonly PeerLink[],
    request: RequestOf<N>,
    signal: AbortSignal,
  ): Promise<{ readonly value: ResponseTo<N> } | undefined> {
    let failure: unknown
    for (const link of links) {
      try {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(CACHE_ANSWER_MS)])
        return { value: await this.#deps.messenger.ask(link, request, limit) }
      } catch (error) {
        signal.throwIfAborted()
        if (isShoalError(error, 'PREWARM_INVALID', 'PREWARM_IMPOSSIBLE', 'PREWARM_UNKNOWN', 'ORDER_REQUIRED'))
          throw error
        failure = error
        const fields = { peer: link.peer.key, request: request.name, err: error }
        this.#deps.logger.debug(fields, 'a cache gave no answer')
      }
    }
    if (failure === undefined) return undefined
    // what a cache says of those above it is the whole story
    if (isShoalError(failure, 'UNAVAILABLE')) throw failure
    throw unanswered([...new Set(links.map(({ peer }) => peer.region))], failure)
  }

  /** Linked caches of regions below this one, best first for `key`, by region. */
  #below(key: string): Map<string, PeerLink[]> {
    const { messenger, tier, swarm } = this.#deps
    const links = messenger.caches(({ region }) => region !== swarm.self.region && !tier.isParentRegion(region))
    const regions = Map.groupBy(links, ({ peer }) => peer.region)
    return new Map([...regions].map(([region, some]) => [region, tier.ranked(key, some)]))
  }
}
