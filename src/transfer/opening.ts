import type { Refusal } from '../base/outcome.ts'
import { refusalOf, refused } from '../base/outcome.ts'
import { LINGER_MS, LINGERING_MOST } from '../base/patience.ts'
import { SingleFlight } from '../base/single-flight.ts'
import { NO_TRACER, timed } from '../base/tracing.ts'
import type { Digest } from '../oci/digest.ts'
import { PieceLayout } from '../piece/piece-layout.ts'
import { BACKGROUND_ORDER, isBackground } from '../scheduler/index.ts'
import type { PeerLink } from '../swarm/index.ts'
import type { Entry } from '../tier/index.ts'
import type { Active } from './active.ts'
import type { TransferDeps } from './deps.ts'
import type { Engine } from './engine.ts'
import type { Following } from './following.ts'
import type { ReadTransfer } from './interface.ts'
import type { Joins } from './joins.ts'
import { GONE } from './joins.ts'
import type { JoinRequest, JoinResponse, PieceRun } from './messages.ts'
import { rightOf } from './right-of.ts'
import type { SmallContent } from './small-content.ts'
import type { Route, RouteRequest } from './source-picker.ts'
import type { ReceivedFrom, Transfer, TransferRef } from './transfer.ts'
import { openedOf } from './windows.ts'

export interface OpenRequest extends TransferRef {
  /** The blob's size, if a manifest told it. */
  readonly size?: number | undefined
  /** Lower is fetched first; default: after everything asked for before. */
  readonly order?: number | undefined
  /** Nobody waits for it: all else is fetched first. As soon as somebody does, it becomes a transfer like any other. */
  readonly background?: boolean | undefined
  /** In the background: pieces that may be here or under way at first (see `limit`). */
  readonly limit?: number | undefined
  /** Somebody waits for these pieces and no others. */
  readonly awaits?: PieceRun | undefined
  /** Where the ladder is entered; default: `forClient`, from the blob's home on. */
  readonly entry?: Entry | undefined
}

/** What became of a request for a blob. */
export type Opened<T = Transfer> =
  /** On its way: read it as it comes. Hold it. */
  | { readonly kind: 'transfer'; readonly transfer: T; readonly from: ReceivedFrom }
  /** Complete in the store. */
  | { readonly kind: 'stored'; readonly digest: Digest; readonly from: ReceivedFrom | 'local' }
  /** Small, whole and proven, but not stored (no room). */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly from: ReceivedFrom }
  | Refusal

/** How a blob is asked for. */
type Wish = Pick<OpenRequest, 'background' | 'order' | 'limit' | 'awaits'>

interface OpeningDeps extends Pick<TransferDeps, 'clock' | 'store' | 'tier' | 'tracer'> {
  readonly engine: Engine
  readonly small: SmallContent
  readonly following: Following
  readonly joins: Joins
}

/** Finds blobs or starts to fetch them, for readers here and for hosts that want to take part; and decides in which order. */
export class Opening {
  readonly #deps: OpeningDeps
  readonly #opening: SingleFlight<{ readonly by: TransferRef; readonly opened: Opened }>
  /** Ways to blobs of unknown size, each for one repository: what does not exist keeps nobody from what does. */
  readonly #ways: SingleFlight<Route>
  #nextOrder = 0

  constructor(deps: OpeningDeps) {
    this.#deps = deps
    const lingering = { clock: deps.clock, ms: LINGER_MS, most: LINGERING_MOST }
    this.#opening = new SingleFlight(lingering)
    this.#ways = new SingleFlight(lingering)
  }

  /**
   * Finds a blob or starts to fetch it; all who ask meanwhile share one transfer. Rejects `STORE_DISK_FULL` when there
   * is no room (see `openWindow`), and with the signal's reason.
   */
  async open(request: OpenRequest, signal: AbortSignal): Promise<Opened> {
    const known = this.#known(request)
    if (known !== undefined) return known
    if (request.size !== undefined) return this.#share(request, signal)
    const { sources } = this.#deps.engine
    const find = (shared: AbortSignal): Promise<Route> =>
      sources.route(this.#routeRequest(request, undefined, new Uint8Array()), shared)
    const way = await this.#ways.run(rightOf(request), find, signal)
    return way.kind === 'refused' ? way : (this.#known(request) ?? this.#share(request, signal, way))
  }

  /**
   * A peer wants to take part in a blob's swarm, or to have a small blob. The caller has checked its access; `refuses`
   * says whether its repository may have what has been found.
   */
  async join(
    link: PeerLink,
    args: JoinRequest,
    entry: Entry,
    refuses: (opened: Opened) => Promise<Refusal | undefined>,
    signal: AbortSignal,
  ): Promise<JoinResponse> {
    const { have, ...wanted } = args
    const { digest } = wanted
    // whoever joins next is introduced to it
    await this.#deps.tier.introductions.ready(link, signal)
    let opened = await this.open({ ...wanted, entry }, signal)
    const refusal = opened.kind === 'refused' ? opened : await refuses(opened)
    if (refusal !== undefined) return refusal
    // it may have ended while that was asked
    if (opened.kind === 'transfer') opened = await this.open({ ...wanted, entry }, signal)
    const stored = opened.kind === 'stored' ? await this.#deps.joins.stored(link, digest) : undefined
    if (stored !== undefined) return stored
    // evicted, or found damaged, just now
    if (opened.kind === 'stored') opened = await this.open({ ...wanted, entry }, signal)
    switch (opened.kind) {
      case 'refused':
        return opened
      case 'bytes':
        return { kind: 'inline', bytes: this.#deps.engine.metrics.sentWhole(link, opened.bytes) }
      case 'stored':
        return (await this.#deps.joins.stored(link, digest)) ?? GONE
      case 'transfer':
        return this.#deps.joins.found(link, opened.transfer, args, signal)
    }
  }

  /** Bounds a transfer that still runs in the background: pieces that may be here or under way, undefined = all. */
  limit(transfer: ReadTransfer, limit: number | undefined): void {
    const active = this.#deps.engine.actives.find(transfer.digest)
    if (active?.transfer === transfer && isBackground(active.order)) this.#steer(active, limit)
  }

  /** Reserves `count` places in the order of downloads and returns the first. */
  nextOrders(count: number): number {
    const first = this.#nextOrder
    this.#nextOrder += count
    return first
  }

  /** The place of a request among all downloads. */
  order(request: OpenRequest): number {
    return request.order ?? this.nextOrders(1) + (request.background === true ? BACKGROUND_ORDER : 0)
  }

  /**
   * It is asked for: where somebody waits, a background transfer becomes one like any other, and where no parts are named,
   * all of it is wanted.
   */
  wanted(active: Active, { background, order, limit, awaits }: Wish): void {
    if (awaits === undefined) this.#deps.following.wantsWhole(active, background === true ? limit : undefined)
    if (background === true || !isBackground(active.order)) return
    active.reorder(order ?? this.nextOrders(1))
    this.#steer(active, active.awaits === undefined ? undefined : 0)
  }

  /** What is under way already, is here, or has failed a moment ago. */
  #known(request: OpenRequest): Opened | undefined {
    const { digest, awaits } = request
    const { engine, store, following } = this.#deps
    const active = engine.actives.find(digest)
    if (active !== undefined) {
      if (awaits !== undefined) following.awaits(active.transfer, awaits)
      return this.#promoted(request, openedOf(active))
    }
    if (store.size(digest) !== undefined) return { kind: 'stored', digest, from: 'local' }
    const failure = engine.failures.get(digest)
    return failure === undefined ? undefined : refusalOf(failure)
  }

  /** Begins to fetch a blob, or waits with whoever has. `way`: where it has been found. */
  async #share(request: OpenRequest, signal: AbortSignal, way?: Route): Promise<Opened> {
    const begin = async (shared: AbortSignal) => ({ by: request, opened: await this.#open(request, shared, way) })
    const { by, opened } = await this.#opening.run(request.digest, begin, signal)
    // what one repository is refused is no answer for another
    if (opened.kind === 'refused' && rightOf(by) !== rightOf(request)) return this.open(request, signal)
    return this.#promoted(request, opened)
  }

  async #open(request: OpenRequest, signal: AbortSignal, way?: Route): Promise<Opened> {
    const announced = request.size === undefined ? undefined : new PieceLayout(request.digest, request.size)
    const wantsPartial = announced !== undefined && announced.count > 1
    await this.#deps.engine.endings.released(request.digest)
    // what nobody waits for is wanted on disk, or not at all
    const onDisk = request.background === true
    let partial = wantsPartial ? await this.#deps.store.openPartial(announced, { onDisk }) : undefined
    try {
      const have = partial?.have.toBytes() ?? new Uint8Array()
      const route = way ?? (await this.#deps.engine.sources.route(this.#routeRequest(request, announced, have), signal))
      if (route.kind === 'bytes') return await this.#deps.small.keep(request, route)
      if (route.kind === 'refused') return route
      const layout = new PieceLayout(request.digest, route.kind === 'origin' ? route.size : route.joined.size)
      if (announced !== undefined && announced.size !== layout.size) return otherSize(announced, layout)
      if (layout.count <= 1) {
        const span = (this.#deps.tracer ?? NO_TRACER).begin('transfer', { digest: layout.digest, bytes: layout.size })
        const fetch = (): Promise<Opened> => this.#deps.small.fetch(request, route, layout, signal)
        return await timed(span, fetch, ({ kind }) => ({ ending: kind }))
      }
      partial ??= await this.#deps.store.openPartial(layout, { onDisk })
      const shared = request.authorization === undefined
      const { entry = 'forClient' } = request
      const active = this.#deps.engine.begin(request, partial, {
        entry: route.kind === 'origin' ? 'forPeer' : entry,
        shared,
        order: this.order(request),
        window: undefined,
        awaits: request.awaits,
        limit: limitOf(request),
      })
      partial = undefined
      if (request.awaits !== undefined) this.#deps.following.awaits(active.transfer, request.awaits)
      this.#deps.engine.ways.apply(active, route)
      return openedOf(active)
    } finally {
      await partial?.[Symbol.asyncDispose]()
    }
  }

  #promoted(request: OpenRequest, opened: Opened): Opened {
    const active = opened.kind === 'transfer' ? this.#deps.engine.actives.find(request.digest) : undefined
    if (active !== undefined) this.wanted(active, request)
    return opened
  }

  #steer({ transfer: { blob }, order }: Active, limit: number | undefined): void {
    this.#deps.engine.leecher.drive({ type: 'steered', blob, order, limit })
  }

  #routeRequest(request: OpenRequest, layout: PieceLayout | undefined, have: Uint8Array): RouteRequest {
    const { entry = 'forClient', background, awaits } = request
    return { ref: request, size: layout?.size, have, entry, background, awaits }
  }
}

/** Pieces that may come of it for a start, beside those that are waited for. */
function limitOf({ awaits, background, limit }: OpenRequest): number | undefined {
  if (awaits !== undefined) return 0
  return background === true ? limit : undefined
}

function otherSize({ digest, size }: PieceLayout, found: PieceLayout): Refusal {
  return refused('unavailable', `${digest} has ${found.size} bytes at its source, ${size} by its manifest`)
}
