import type { Clock } from '../base/clock.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { AT_WORK_AFTER_MS, OVERLOADED_MS } from '../base/patience.ts'
import type { CallArguments, CallName, CallRefusal, CallResults, PeerInfo, PeerLink } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Opened, Transfers } from '../transfer/index.ts'
import type { Order } from '../trust/index.ts'
import type { BlobAccess } from './blob-access.ts'
import type { Listings } from './listings.ts'
import type { Manifests } from './manifests.ts'
import { callRefusal } from './outcome.ts'
import { tagKey } from './tag-cache.ts'
import type { TagOrders, TagRef } from './tag-orders.ts'

const AT_WORK: CallRefusal = {
  kind: 'refused',
  reason: 'unavailable',
  message: 'this host is still at work on the answer',
  atWork: true,
}

export interface HomeServiceDeps {
  readonly self: PeerInfo
  readonly clock: Clock
  readonly logger: Logger
  readonly tier: Tier
  readonly transfers: Transfers
  readonly manifests: Manifests
  readonly access: BlobAccess
  readonly listings: Listings
  readonly tagOrders: TagOrders
  /** Whether an upstream's content may go through the swarm: passthrough content may not. */
  readonly shareable: (upstream: string) => boolean
}

/** What peers ask of this host as their home: the tier's side of the swarm. */
export class HomeService {
  readonly #deps: HomeServiceDeps

  constructor(deps: HomeServiceDeps) {
    this.#deps = deps
  }

  /** Answers a call. Never rejects: what goes wrong is a refusal, and a caller that left is not missed. */
  async call<N extends CallName>(
    link: PeerLink,
    name: N,
    args: CallArguments[N],
    signal: AbortSignal,
  ): Promise<CallResults[N]> {
    if (name === 'members') return this.#members(link, args as CallArguments['members']) as CallResults[N]
    if (name === 'prewarm') return unavailableNow('this host takes no part in prewarm') as CallResults[N]
    if (name === 'join' && this.#isNewHome(link))
      return (await this.#held(link, args as CallArguments['join'])) as CallResults[N]
    const refusal = this.#refuses(args as ContentArguments)
    if (refusal !== undefined) return refusal as CallResults[N]
    const limit = new AbortController()
    const { clock } = this.#deps
    const askedAt = clock.now()
    using _timer = clock.after(AT_WORK_AFTER_MS, () => {
      // overloaded, it is its own slowness, not its origin's: the asker is left to wait
      if (clock.now() - askedAt < AT_WORK_AFTER_MS + OVERLOADED_MS) limit.abort(AT_WORK)
    })
    try {
      const waiting = AbortSignal.any([signal, limit.signal])
      return (await this.#answer(link, { name, args } as ContentCall, waiting)) as CallResults[N]
    } catch (error) {
      // what is asked for goes on: the same question a moment later finds it further
      if (limit.signal.aborted && !signal.aborted) return AT_WORK as CallResults[N]
      if (!signal.aborted) this.#deps.logger.warn({ call: name, err: errorText(error) }, 'a call failed')
      return unavailableNow(errorText(error)) as CallResults[N]
    }
  }

  #members(link: PeerLink, { limit }: CallArguments['members']): CallResults['members'] {
    return { kind: 'members', peers: this.#deps.tier.members(link, limit) }
  }

  /** Whether a cache asks this host, which is none, for what it has. */
  #isNewHome({ peer }: PeerLink): boolean {
    const { self, tier } = this.#deps
    return self.role === 'agent' && peer.region === self.region && tier.isCache(peer)
  }

  async #held(link: PeerLink, { upstream, digest }: CallArguments['join']): Promise<CallResults['join']> {
    if (!this.#deps.shareable(upstream)) return unavailableNow('not an upstream that this host shares')
    try {
      return await this.#deps.transfers.held(link, digest)
    } catch (error) {
      return unavailableNow(errorText(error))
    }
  }

  #refuses({ upstream }: ContentArguments): CallRefusal | undefined {
    const { self, tier, shareable } = this.#deps
    if (!shareable(upstream))
      return { kind: 'refused', reason: 'unknown', message: 'not an upstream that this host shares' }
    if (self.role !== 'cache' && !tier.acting) return unavailableNow('this host is no cache')
    return undefined
  }

  async #answer(link: PeerLink, call: ContentCall, signal: AbortSignal): Promise<CallResults[CallName]> {
    const { self, tier, manifests, access, listings, transfers } = this.#deps
    // another cache of this region asks only whom it takes for the home: passing the question on could go in circles;
    // so could hosts that stand in for the caches, each of whom knows other neighbours
    const asHome = link.peer.region === self.region && (tier.isCache(link.peer) || self.role !== 'cache')
    switch (call.name) {
      case 'manifest': {
        const outcome = await (asHome ? manifests.findAsHome(call.args, signal) : manifests.find(call.args, signal))
        if (!outcome.ok) return callRefusal(outcome)
        const { digest, mediaType, bytes, stale, ageMs, proof } = outcome.value
        return { kind: 'manifest', digest, mediaType, bytes, stale, ageMs, proof }
      }
      case 'stat': {
        const { confirm } = call.args
        const check = (asHome ? access.checkAsHome : access.check).bind(access)
        const outcome = await (confirm ? access.confirm(call.args, asHome, signal) : check(call.args, signal))
        return outcome.ok ? { kind: 'stat', size: outcome.value.size } : callRefusal(outcome)
      }
      case 'join': {
        const outcome = await (asHome ? access.checkAsHome(call.args, signal) : access.check(call.args, signal))
        if (!outcome.ok) return callRefusal(outcome)
        const refuses = async (opened: Opened): Promise<CallRefusal | undefined> => {
          const refusal = await access.settle(call.args, opened, asHome, signal)
          return refusal === undefined ? undefined : callRefusal(refusal)
        }
        return transfers.join(link, { ...call.args, size: outcome.value.size }, asHome, refuses, signal)
      }
      case 'tags': {
        const outcome = await listings.tags(call.args, asHome, signal)
        return outcome.ok ? { kind: 'tags', tags: outcome.value.tags, more: outcome.value.more } : callRefusal(outcome)
      }
      case 'referrers': {
        const outcome = await listings.referrers(call.args, asHome, signal)
        return outcome.ok
          ? { kind: 'referrers', bytes: outcome.value.bytes, filtered: outcome.value.filtered }
          : callRefusal(outcome)
      }
      case 'invalidate':
        return this.#invalidated(call.args, asHome, signal)
    }
  }

  /**
   * Forgets a tag here; with an order (this host's own where it may give one) also at its home and in the tiers above:
   * `everywhere`. Throws `ORDER_REQUIRED` when these do not obey it.
   */
  async invalidate(ref: TagRef, given: Order | undefined, signal: AbortSignal): Promise<'here' | 'everywhere'> {
    const order = given ?? this.#deps.tagOrders.give(ref)
    if (order === undefined) {
      await this.#deps.manifests.forget(ref.upstream, ref.repository, ref.tag)
      return 'here'
    }
    await this.#forget(ref, order, false, signal)
    return 'everywhere'
  }

  /** A peer asks for it: who may not act on the fleet has nothing forgotten here. */
  async #invalidated(
    { order, ...ref }: CallArguments['invalidate'],
    asHome: boolean,
    signal: AbortSignal,
  ): Promise<CallResults['invalidate']> {
    const verdict = this.#deps.tagOrders.check(ref, order)
    if (verdict === 'again') return { kind: 'done' }
    if (verdict !== 'new' || order === undefined) {
      return { kind: 'refused', reason: 'denied', message: `an operator's order is needed to forget tags (${verdict})` }
    }
    await this.#forget(ref, order, asHome, signal)
    return { kind: 'done' }
  }

  async #forget(ref: TagRef, order: Order, asHome: boolean, signal: AbortSignal): Promise<void> {
    const { tier, manifests } = this.#deps
    const { upstream, repository, tag } = ref
    await manifests.forget(upstream, repository, tag)
    const key = tagKey(upstream, repository, tag)
    const question = { name: 'invalidate', args: { upstream, repository, tag, order } } as const
    const home = asHome ? undefined : await tier.askHomes(key, question, signal)
    const asked = home ?? (await tier.askParents(key, question, signal))
    const answer = asked?.answer
    if (answer?.kind === 'refused' && answer.reason === 'denied') {
      throw new ShoalError('ORDER_REQUIRED', `the caches refuse it: ${answer.message}`)
    }
  }
}

/** All calls but these are about content. */
type ContentName = Exclude<CallName, 'members' | 'prewarm'>
type ContentArguments = CallArguments[ContentName]
type ContentCall = { [N in ContentName]: { readonly name: N; readonly args: CallArguments[N] } }[ContentName]

function unavailableNow(message: string): CallRefusal {
  return { kind: 'refused', reason: 'unavailable', message: message.slice(0, 400) }
}
