import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Outcome, Refusal } from '../base/outcome.ts'
import { refused } from '../base/outcome.ts'
import type { OriginChain } from '../origin/index.ts'
import type { Granted, PeerLink } from '../swarm/index.ts'
import type { Answered, Climb, Entry, Tier, Worthless } from '../tier/index.ts'
import { Ladder, requestOf } from '../tier/index.ts'
import type { JoinedSwarm, PieceRun } from './messages.ts'
import { transferRequests } from './messages.ts'
import type { TransferMetrics } from './metrics.ts'
import { isFalse, isStandIn } from './stand-ins.ts'
import type { TransferRef } from './transfer.ts'

interface SourcePickerDeps {
  readonly tier: Tier
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: TransferMetrics
  /** The origins of an upstream; undefined for one that is not configured here. */
  readonly origins: (upstream: string) => OriginChain | undefined
}

/** What a transfer in the background is told while its region has no cache. */
export const NO_CACHE = refused('unavailable', 'no cache of this region is there')

/** Where this host gets a blob from. */
export type Route = Way | Refusal

type Joined = Granted<typeof transferRequests.join>

type Way =
  | {
      readonly kind: 'swarm'
      readonly link: PeerLink
      readonly as: 'home' | 'parent'
      readonly joined: JoinedSwarm
    }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly from: 'home' | 'parent'; readonly link: PeerLink }
  | { readonly kind: 'origin'; readonly chain: OriginChain; readonly size: number }

export interface RouteRequest {
  readonly ref: TransferRef
  readonly size: number | undefined
  /** The pieces this host has already, in wire form; empty for none. */
  readonly have: Uint8Array
  /** Where the ladder is entered: above this region's homes where this host is home, or is asked as if it were. */
  readonly entry: Entry
  /** Nobody waits for it: without the region's caches it waits for them, too, instead of making hosts read the origin. */
  readonly background?: boolean | undefined
  /** Somebody waits for these pieces and no others. */
  readonly awaits?: PieceRun | undefined
}

/** Finds the way to a blob, up the ladder. A host whose answer shows that it does not have the blob is passed over. */
export class SourcePicker {
  readonly #deps: SourcePickerDeps
  readonly #ladder: Ladder<Way>

  constructor(deps: SourcePickerDeps) {
    this.#deps = deps
    this.#ladder = new Ladder(deps)
  }

  async route(request: RouteRequest, signal: AbortSignal): Promise<Route> {
    if (request.background === true && this.#deps.tier.acting) return NO_CACHE
    const climb = this.#climb(request)
    if (request.ref.authorization !== undefined) return this.#ladder.atOrigin(climb, signal)
    return this.#ladder[request.entry](climb, signal)
  }

  #climb(request: RouteRequest): Climb<Joined, Way> {
    const { ref, size, have, background, awaits } = request
    const { upstream, repository, digest } = ref
    return {
      upstream,
      key: digest,
      // a size is kept for long, and nothing else here would show that a member's is false
      onlyCaches: size === undefined,
      request: requestOf(transferRequests.join, { upstream, repository, digest, size, have, background, awaits }),
      take: async (answered) => this.#take(request, answered),
      atOrigin: (chain, signal) => atOrigin(chain, request, signal),
    }
  }

  #take(request: RouteRequest, { answer, link, from }: Answered<Joined>): Way | Worthless {
    const way: Way =
      answer.kind === 'inline'
        ? { kind: 'bytes', bytes: answer.bytes, from, link }
        : { kind: 'swarm', link, as: from, joined: answer }
    if (!isFalse(way, request)) return way
    const { tier, metrics, logger } = this.#deps
    const { digest } = request.ref
    const { key } = link.peer
    if (way.kind === 'bytes') {
      metrics.received(digest, link, way.bytes.length)
      metrics.rejected('failed_digest')
      logger.warn({ digest, peer: key }, 'a peer sent wrong bytes for a small blob: asking elsewhere')
    }
    if (isStandIn(link)) tier.passOver(key)
    else tier.suspect(key)
    return 'false'
  }
}

async function atOrigin(
  chain: OriginChain,
  { ref, size }: RouteRequest,
  signal: AbortSignal,
): Promise<Outcome<Extract<Way, { kind: 'origin' }>>> {
  if (size !== undefined) return { kind: 'origin', chain, size }
  const { upstream, repository, digest, authorization } = ref
  const stat = await chain.statBlob({ repository, digest, authorization, signal })
  if (stat === undefined) return refused('unknown', `${upstream}/${repository} has no ${digest}`)
  return { kind: 'origin', chain, size: stat.size }
}
