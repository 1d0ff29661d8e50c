import { errorText, isShoalError } from '../base/errors.ts'
import type { OriginChain } from '../origin/index.ts'
import type { CallRefusal, CallResults, PeerLink } from '../swarm/index.ts'
import type { Asked, Question, Tier } from '../tier/index.ts'
import type { TransferRef } from './transfer.ts'

export interface RouterDeps {
  readonly tier: Tier
  /** The origins of an upstream; undefined for one that is not configured here. */
  readonly origins: (upstream: string) => OriginChain | undefined
}

/** What a transfer in the background is told while its region has no cache. */
export const NO_CACHE: CallRefusal = {
  kind: 'refused',
  reason: 'unavailable',
  message: 'no cache of this region is there',
}

/** Where this host gets a blob from. */
export type Route =
  | {
      readonly kind: 'swarm'
      readonly link: PeerLink
      readonly as: 'home' | 'parent'
      readonly joined: Extract<CallResults['join'], { kind: 'swarm' }>
    }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly from: 'home' | 'parent'; readonly link: PeerLink }
  | { readonly kind: 'origin'; readonly chain: OriginChain; readonly size: number }
  | CallRefusal

export interface RouteRequest {
  readonly ref: TransferRef
  readonly size: number | undefined
  /** The pieces this host has already, in wire form; empty for none. */
  readonly have: Uint8Array
  /** Ask the tier above instead of this region's homes: this host is home, or is asked as if it were. */
  readonly asHome: boolean
  /** Nobody waits for it: without the region's caches it waits for them, too, instead of making hosts read the origin. */
  readonly background?: boolean | undefined
}

/**
 * Finds the way to a blob: the region's homes by rank, and when this host is the home itself, the homes of the regions
 * above and then the origin. A home that cannot be reached is passed over for its stand-in.
 */
export class Router {
  readonly #deps: RouterDeps

  constructor(deps: RouterDeps) {
    this.#deps = deps
  }

  async route(request: RouteRequest, signal: AbortSignal): Promise<Route> {
    if (request.background === true && this.#deps.tier.acting) return NO_CACHE
    if (request.ref.authorization !== undefined) return this.#atOrigin(request, signal)
    const answer = request.asHome ? undefined : await this.#askHomes(request, signal)
    return answer ?? (await this.#askParents(request, signal)) ?? (await this.#atOrigin(request, signal))
  }

  async #askHomes(request: RouteRequest, signal: AbortSignal): Promise<Route | undefined> {
    const asked = await this.#deps.tier.askHomes(request.ref.digest, question(request), signal)
    return asked === undefined ? undefined : toRoute(asked, 'home')
  }

  async #askParents(request: RouteRequest, signal: AbortSignal): Promise<Route | undefined> {
    const asked = await this.#deps.tier.askParents(request.ref.digest, question(request), signal)
    return asked === undefined ? undefined : toRoute(asked, 'parent')
  }

  async #atOrigin({ ref, size }: RouteRequest, signal: AbortSignal): Promise<Route> {
    const { upstream, repository, digest, authorization } = ref
    const chain = this.#deps.origins(upstream)
    if (chain === undefined) return { kind: 'refused', reason: 'unknown', message: `no upstream is called ${upstream}` }
    if (size !== undefined) return { kind: 'origin', chain, size }
    try {
      const stat = await chain.statBlob({ repository, digest, authorization, signal })
      if (stat !== undefined) return { kind: 'origin', chain, size: stat.size }
      return { kind: 'refused', reason: 'unknown', message: `${upstream}/${repository} has no ${digest}` }
    } catch (error) {
      signal.throwIfAborted()
      const reason = isShoalError(error, 'ORIGIN_DENIED') ? 'denied' : 'unavailable'
      return { kind: 'refused', reason, message: errorText(error) }
    }
  }
}

function question({ ref, size, have, background }: RouteRequest): Question<'join'> {
  const { upstream, repository, digest } = ref
  return { name: 'join', args: { upstream, repository, digest, size, have, background } }
}

function toRoute({ link, answer }: Asked<'join'>, as: 'home' | 'parent'): Route {
  if (answer.kind === 'refused' || link === undefined) return answer as CallRefusal
  if (answer.kind === 'inline') return { kind: 'bytes', bytes: answer.bytes, from: as, link }
  return { kind: 'swarm', link, as, joined: answer }
}
