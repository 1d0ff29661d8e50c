import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { CACHE_ANSWER_MS } from '../base/patience.ts'
import type { PeerLink } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import { isFinalAnswer } from './codec.ts'
import type { Messenger } from './messenger.ts'
import type { Ordered } from './order-kind.ts'
import type { Orders } from './orders.ts'
import { unanswered } from './refusals.ts'
import type { AskOf, MessageTable, NameOf, RequestOf, RequestTable, ResponseTo } from './words.ts'

interface CacheRoutesDeps<R extends RequestTable> {
  readonly logger: Logger
  readonly tier: Pick<Tier, 'homes' | 'parents' | 'ranked' | 'parentRegions' | 'isParentRegion'>
  readonly messenger: Pick<Messenger<MessageTable, R>, 'self' | 'caches' | 'ask'>
  readonly requests: R
  readonly orders: Pick<Orders, 'note'>
  /** Responds in this host's turn, where it is one of those that are asked. */
  readonly receiver: {
    respond<N extends NameOf<R>>(
      request: RequestOf<R, N>,
      link: undefined,
      signal: AbortSignal,
    ): Promise<ResponseTo<R, N>>
  }
}

/** What is asked, before it has gone anywhere. */
interface Asked<R extends RequestTable, N extends NameOf<R>> {
  readonly name: N
  readonly ask: AskOf<R, N>
}

/** What the caches of a region are ranked by, for an order or for another request about orders. */
export function homeKeyOf(key: string): string {
  return `prewarm:${key}`
}

/** Sends one room's requests to the caches that can respond: those of this region, of the one above, or of those below. */
export class CacheRoutes<R extends RequestTable> {
  readonly #deps: CacheRoutesDeps<R>

  constructor(deps: CacheRoutesDeps<R>) {
    this.#deps = deps
  }

  /** Asks the region's caches, best first for `key`; where this host is one of them, it responds in its turn. */
  async up<N extends NameOf<R>>(
    { name, ask }: Asked<R, N>,
    key: string,
    signal: AbortSignal,
  ): Promise<ResponseTo<R, N>> {
    const request = { name, ask, hops: 0 }
    const homes = this.#deps.tier.homes(homeKeyOf(key))
    const self = homes.findIndex(({ kind }) => kind === 'self')
    const before = self < 0 ? homes : homes.slice(0, self)
    const links = before.flatMap((home) => (home.kind === 'link' && home.link.peer.role === 'cache' ? home.link : []))
    const response = await this.#first(links, request, signal).catch((error: unknown) => {
      if (self < 0 || !isShoalError(error, 'UNAVAILABLE')) throw error
      return undefined
    })
    if (response !== undefined) return response.value
    if (self < 0) throw unanswered([this.#deps.messenger.self.region])
    return this.#deps.receiver.respond(request, undefined, signal)
  }

  /** Has the caches do what an order says; once they have, it is noted as obeyed here. */
  async obeyed<N extends NameOf<R>, S>(
    asked: Asked<R, N>,
    ordered: Ordered<S>,
    signal: AbortSignal,
  ): Promise<ResponseTo<R, N>> {
    const response = await this.up(asked, ordered.id, signal)
    const kind = this.#deps.requests[asked.name]!.order
    if (kind !== undefined) this.#deps.orders.note(kind, ordered, 'this host')
    return response
  }

  /** What the region above says; undefined where there is none that can be asked. */
  above<N extends NameOf<R>>(
    request: RequestOf<R, N>,
    key: string,
    signal: AbortSignal,
  ): Promise<{ readonly value: ResponseTo<R, N> } | undefined> {
    return this.#first(this.#deps.tier.parents(homeKeyOf(key)), request, signal)
  }

  /** What the region has to say that has none above it. Throws `UNAVAILABLE`, saying what is `kept` there. */
  async atTheTop<N extends NameOf<R>>(
    request: RequestOf<R, N>,
    { key, kept }: { readonly key: string; readonly kept: string },
    signal: AbortSignal,
    here: () => Promise<ResponseTo<R, N>>,
  ): Promise<ResponseTo<R, N>> {
    const above = await this.above(request, key, signal)
    if (above !== undefined) return above.value
    const { parentRegions } = this.#deps.tier
    if (parentRegions.length > 0) throw unanswered(parentRegions, undefined, `, and there ${kept} are kept`)
    return here()
  }

  /** Asks one cache of each region below, or of `region` if that is one; regions that do not answer are left out. */
  async down<N extends NameOf<R>>(
    request: RequestOf<R, N>,
    key: string,
    signal: AbortSignal,
    region?: string,
  ): Promise<ResponseTo<R, N>[]> {
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
  async #first<N extends NameOf<R>>(
    links: readonly PeerLink[],
    request: RequestOf<R, N>,
    signal: AbortSignal,
  ): Promise<{ readonly value: ResponseTo<R, N> } | undefined> {
    let failure: unknown
    for (const link of links) {
      try {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(CACHE_ANSWER_MS)])
        return { value: await this.#deps.messenger.ask(link, request, limit) }
      } catch (error) {
        signal.throwIfAborted()
        if (isFinalAnswer(error)) throw error
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
    const { messenger, tier } = this.#deps
    const links = messenger.caches(({ region }) => region !== messenger.self.region && !tier.isParentRegion(region))
    const regions = Map.groupBy(links, ({ peer }) => peer.region)
    return new Map([...regions].map(([region, some]) => [region, tier.ranked(key, some)]))
  }
}
