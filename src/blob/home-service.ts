import type { Clock } from '../base/clock.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { currentHops, hopsRefusal } from '../base/mirror-hops.ts'
import type { Refusal } from '../base/outcome.ts'
import { isRefused, refused } from '../base/outcome.ts'
import type { SourceLife } from '../base/patience.ts'
import { AT_WORK_AFTER_MS, OVERLOADED_MS, SAY_SILENT_AFTER_MS } from '../base/patience.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryRef, TagRef } from '../oci/reference.ts'
import { tagName } from '../oci/reference.ts'
import type { OriginChain } from '../origin/index.ts'
import type { Granted, Handlers, PeerInfo, PeerLink } from '../swarm/index.ts'
import type { Asker, Climb, Entry, Tier } from '../tier/index.ts'
import { Ladder, requestOf } from '../tier/index.ts'
import type {
  JoinRequest,
  JoinResponse,
  Opened,
  RangeRequest,
  RangeResponse,
  Transfers,
  transferRequests,
} from '../transfer/index.ts'
import type { Order } from '../trust/index.ts'
import type { BlobAccess, BlobSize } from './blob-access.ts'
import type { Listings } from './listings.ts'
import type { Manifests } from './manifests.ts'
import type { AskedFor } from './origin-allowance.ts'
import { OriginAllowance } from './origin-allowance.ts'
import type { InvalidateRequest, InvalidateResponse, StatRequest } from './requests.ts'
import { blobRequests } from './requests.ts'
import type { TagOrders } from './tag-orders.ts'

/** What one plan is charged for; a larger one as several. */
const IMAGES_OF_A_CHARGE = 64

interface HomeServiceDeps {
  readonly self: PeerInfo
  /** What this host calls itself to other Shoals. */
  readonly hopName: string
  readonly clock: Clock
  readonly logger: Logger
  readonly tier: Tier
  readonly origins: (upstream: string) => OriginChain | undefined
  readonly transfers: Transfers
  readonly manifests: Manifests
  readonly access: BlobAccess
  readonly listings: Listings
  readonly tagOrders: TagOrders
  /** Whether an upstream's content may go through the swarm: passthrough content may not. */
  readonly shareable: (upstream: string) => boolean
  /** What is known of the origin that is being asked about a tag or digest. */
  readonly lifeOf: (ref: RepositoryRef, target: string) => SourceLife | undefined
}

/** What this host answers its peers as their home: all of it is about content. */
type HomeProtocol = typeof blobRequests & typeof transferRequests

/** A request as it came. */
interface Asking {
  readonly link: PeerLink
  readonly asker: Asker
  readonly signal: AbortSignal
}

/** What a request is about. */
interface About {
  /** What a name that does not exist is charged as. */
  readonly charged: AskedFor
  /** The tag or digest that an origin may be asked for. */
  readonly target?: string
}

/** What peers ask of this host as their home: the tier's side of the swarm. */
export class HomeService {
  /** For what peers ask. */
  readonly handlers: Handlers<HomeProtocol>
  readonly #deps: HomeServiceDeps
  readonly #allowance: OriginAllowance
  readonly #forgetting: Ladder<Done>

  constructor(deps: HomeServiceDeps) {
    this.#deps = deps
    const { clock, logger, tier } = deps
    this.#forgetting = new Ladder(deps)
    this.#allowance = new OriginAllowance({ clock, logger, isCache: ({ peer }) => tier.isCache(peer) })
    this.handlers = this.#handlers()
  }

  /** One for each request. */
  #handlers(): Handlers<HomeProtocol> {
    const { manifests, access, listings, transfers } = this.#deps
    const joined = this.#answers<JoinRequest, JoinResponse>(aboutDigest, async (body, { link, asker, signal }) => {
      const outcome = await access.check(body, asker, signal)
      if (isRefused(outcome)) return outcome
      const refuses = (opened: Opened): Promise<Refusal | undefined> => access.settle(body, opened, asker, signal)
      return transfers.join(link, { ...body, size: outcome.size }, asker.entry, refuses, signal)
    })
    return {
      join: (link, body, signal) =>
        this.#isAskedByNewHome(link) ? this.#held(link, body) : joined(link, body, signal),
      manifest: this.#answers(
        ({ target }) => ({ charged: target.kind, target: target.kind === 'tag' ? target.tag : target.digest }),
        async (body, { asker, signal }) => {
          const outcome = await manifests.find(body, asker, signal)
          if (isRefused(outcome)) return outcome
          const { digest, mediaType, bytes, stale, ageMs, proof } = outcome
          return { kind: 'manifest', digest, mediaType, bytes, stale, ageMs, proof }
        },
      ),
      range: this.#answers<RangeRequest, RangeResponse>(aboutDigest, async (body, { link, asker, signal }) => {
        const outcome = await access.check(body, asker, signal)
        if (isRefused(outcome)) return outcome
        const held: Opened = { kind: 'stored', digest: body.digest, from: 'local' }
        const mayHave = (): Promise<Refusal | undefined> => access.settle(body, held, asker, signal)
        return transfers.ranges.answer({ ...body, size: outcome.size }, { asker, peer: { link, mayHave } }, signal)
      }),
      stat: this.#answers<StatRequest, BlobSize>(aboutDigest, (body, { asker, signal }) =>
        body.confirm ? access.confirm(body, asker, signal) : access.check(body, asker, signal),
      ),
      tags: this.#answers(
        () => ({ charged: 'listing' }),
        (body, { asker, signal }) => listings.tags(body, asker, signal),
      ),
      referrers: this.#answers(
        ({ digest }) => ({ charged: 'listing', target: digest }),
        (body, { asker, signal }) => listings.referrers(body, asker, signal),
      ),
      invalidate: this.#answers(
        () => ({ charged: 'tag' }),
        (body, asking) => this.#invalidated(body, asking),
      ),
    }
  }

  /**
   * Has `answer` answer what peers ask about content, if this host is one to ask and within what the asker may have it do.
   * Never rejects: what goes wrong is a refusal, and an asker that left is not missed.
   */
  #answers<B extends RepositoryRef, R>(
    about: (body: B) => About,
    answer: (body: B, asking: Asking) => Promise<R | Refusal>,
  ): (link: PeerLink, body: B, signal: AbortSignal) => Promise<R | Refusal> {
    return async (link, body, signal) => {
      const refusal = this.#refuses(body)
      if (refusal !== undefined) return refusal
      const limit = new AbortController()
      const { clock, lifeOf, logger } = this.#deps
      const askedAt = clock.now()
      const { charged, target } = about(body)
      const life = (): SourceLife | undefined => (target === undefined ? undefined : lifeOf(body, target))
      using _early = clock.after(SAY_SILENT_AFTER_MS, () => {
        if (life() === 'silent') limit.abort()
      })
      using _timer = clock.after(AT_WORK_AFTER_MS, () => {
        // overloaded, it is its own slowness, not its origin's: the asker is left to wait
        if (clock.now() - askedAt < AT_WORK_AFTER_MS + OVERLOADED_MS) limit.abort()
      })
      try {
        const asker = this.#allowance.asker(link, charged, this.#entry(link))
        return await answer(body, { link, asker, signal: AbortSignal.any([signal, limit.signal]) })
      } catch (error) {
        // what is asked for goes on: the same request a moment later finds it further
        if (limit.signal.aborted && !signal.aborted) return atWork(life() ?? 'lives')
        if (!signal.aborted) logger.warn({ err: error }, 'a request failed')
        return refused('unavailable', errorText(error))
      }
    }
  }

  /** Takes what a plan costs from what a peer may have this host ask above for names that do not exist; false: nothing is left. */
  chargePlan(link: PeerLink, images: number): boolean {
    const asker = this.#allowance.asker(link, 'plan', this.#entry(link))
    const { mayAsk } = asker
    for (let left = mayAsk ? images : 0; left > 0; left -= IMAGES_OF_A_CHARGE) asker.charge()
    return mayAsk
  }

  /**
   * Another cache of this region asks only whom it takes for the home: passing the question on could go in circles; so could
   * hosts that stand in for the caches, each of whom knows other neighbours.
   */
  #entry({ peer }: PeerLink): Entry {
    const { self, tier } = this.#deps
    const isHome = peer.region === self.region && (tier.isCache(peer) || self.role !== 'cache')
    return isHome ? 'forPeer' : 'forClient'
  }

  /** Whether a cache asks this host, an agent, for what it has: the cache has become home of it only lately. */
  #isAskedByNewHome({ peer }: PeerLink): boolean {
    const { self, tier } = this.#deps
    return self.role === 'agent' && peer.region === self.region && tier.isCache(peer)
  }

  /** What such a cache is told. Never rejects. */
  async #held(link: PeerLink, { upstream, digest }: JoinRequest): Promise<JoinResponse> {
    if (!this.#deps.shareable(upstream)) return refused('unavailable', 'not an upstream that this host shares')
    try {
      return await this.#deps.transfers.held(link, digest)
    } catch (error) {
      return refused('unavailable', errorText(error))
    }
  }

  #refuses({ upstream }: RepositoryRef): Refusal | undefined {
    const { self, tier, shareable, hopName } = this.#deps
    const circle = hopsRefusal(currentHops(), hopName)
    if (circle !== undefined) return refused('unavailable', circle)
    if (!shareable(upstream)) return refused('unknown', 'not an upstream that this host shares')
    if (self.role !== 'cache' && !tier.acting) return refused('unavailable', 'this host is no cache')
    return undefined
  }

  /**
   * Forgets a tag here; with an order (this host's own where it may give one) also at its home and in the tiers above:
   * `everywhere`. Throws `ORDER_REQUIRED` when these do not obey it.
   */
  async invalidate(ref: TagRef, given: Order | undefined, signal: AbortSignal): Promise<'here' | 'everywhere'> {
    const order = given ?? this.#deps.tagOrders.give(ref)
    if (order === undefined) {
      await this.#deps.manifests.forget(ref)
      return 'here'
    }
    await this.#forget(ref, order, 'forClient', signal)
    this.#deps.tagOrders.note(order, 'this host')
    return 'everywhere'
  }

  /** A peer asks for it: for one that may not act on the fleet, nothing is forgotten here. */
  async #invalidated({ order, ...ref }: InvalidateRequest, asking: Asking): Promise<InvalidateResponse> {
    const { link, asker, signal } = asking
    const verdict = this.#deps.tagOrders.check(ref, order)
    if (verdict === 'again') return { kind: 'done' }
    if (verdict !== 'new' || order === undefined) {
      return refused('denied', `an operator's order is needed to forget tags (${verdict})`)
    }
    this.#deps.tagOrders.note(order, link)
    await this.#forget(ref, order, asker.entry, signal)
    return { kind: 'done' }
  }

  async #forget(ref: TagRef, order: Order, entry: Entry, signal: AbortSignal): Promise<void> {
    const { upstream, repository, tag } = ref
    await this.#deps.manifests.forget(ref)
    const climb: Climb<Done, Done> = {
      upstream,
      key: tagName(ref),
      request: requestOf(blobRequests.invalidate, { upstream, repository, tag, order }),
      take: async ({ answer }) => answer,
      // a host that is asked for nothing has nothing to forget
      atOrigin: async () => ({ kind: 'done' }),
    }
    const outcome = await this.#forgetting[entry](climb, signal)
    if (isRefused(outcome) && outcome.reason === 'denied') {
      throw new ShoalError('ORDER_REQUIRED', `the caches refuse it: ${outcome.message}`)
    }
  }
}

type Done = Granted<typeof blobRequests.invalidate>

function aboutDigest({ digest }: { readonly digest: Digest }): About {
  return { charged: 'digest', target: digest }
}

function atWork(source: SourceLife): Refusal {
  return { ...refused('unavailable', 'this host is still at work on the answer'), atWork: true, source }
}
