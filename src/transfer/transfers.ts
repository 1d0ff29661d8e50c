import { LINGER_MS, LINGERING_MOST } from '../base/patience.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import { SingleFlight } from '../base/single-flight.ts'
import type { Digest } from '../oci/digest.ts'
import { Bitfield } from '../piece/bitfield.ts'
import { PieceLayout } from '../piece/piece-layout.ts'
import { BACKGROUND_ORDER, isBackground } from '../scheduler/index.ts'
import { MemoryPartial } from '../store/index.ts'
import type { CallArguments, CallRefusal, CallResults, ControlMessage, HashRun, PeerLink } from '../swarm/index.ts'
import type { Active } from './active.ts'
import type { TransferDeps } from './deps.ts'
import { Engine } from './engine.ts'
import type { ReceivedListener } from './metrics.ts'
import { otherSize, refusalFor } from './refusals.ts'
import type { RouteRequest } from './router.ts'
import { SmallBlobs } from './small-blobs.ts'
import { SmallContent } from './small-content.ts'
import type { ReceivedFrom, Transfer, TransferRef } from './transfer.ts'

export interface OpenRequest extends TransferRef {
  /** The blob's size, if a manifest told it. */
  readonly size?: number | undefined
  /** Lower is fetched first; default: after everything asked for before. */
  readonly order?: number | undefined
  /** Nobody waits for it: all else is fetched first. As soon as somebody does, it becomes a transfer like any other. */
  readonly background?: boolean | undefined
  /** In the background: pieces that may be here or under way at first (see `limit`). */
  readonly limit?: number | undefined
  /** Fetch from the tier above or the origin, as the region's home for this blob. */
  readonly asHome?: boolean | undefined
}

/** What became of a request for a blob. */
export type Opened =
  /** On its way: read it as it comes. Hold it. */
  | { readonly kind: 'transfer'; readonly transfer: Transfer; readonly from: ReceivedFrom }
  /** Complete in the store. */
  | { readonly kind: 'stored'; readonly digest: Digest; readonly from: ReceivedFrom | 'local' }
  /** Small, whole and proven, but not stored (no room). */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly from: ReceivedFrom }
  | CallRefusal

export interface TransferView {
  readonly transfer: Transfer
  readonly neighbours: number
  readonly asHome: boolean
}

/** A window in memory holds this much, and at least `WINDOW_LEAST_PIECES`. */
const WINDOW_BYTES = 16 * 1024 * 1024
const WINDOW_LEAST_PIECES = 4
const SMALL_BLOBS_BYTES = 16 * 1024 * 1024

/** All blobs on their way to this host, and all that this host gives to others. */
export class Transfers {
  readonly #deps: TransferDeps
  readonly #engine: Engine
  readonly #opening: SingleFlight<Opened>
  readonly #small: SmallContent
  readonly #smallBlobs: SmallBlobs
  #nextOrder = 0

  constructor(deps: TransferDeps) {
    this.#deps = deps
    this.#engine = new Engine(deps)
    this.#opening = new SingleFlight({ clock: deps.clock, ms: LINGER_MS, most: LINGERING_MOST })
    this.#small = new SmallContent({ deps, router: this.#engine.router, metrics: this.#engine.metrics })
    this.#smallBlobs = new SmallBlobs(deps, SMALL_BLOBS_BYTES)
  }

  start(): void {
    this.#engine.start()
  }

  /** Bytes moved since the start, in all and by link. */
  get traffic(): Pick<Engine['metrics'], 'totals' | 'traffic'> {
    return this.#engine.metrics
  }

  /**
   * Finds a blob or starts to fetch it; all who ask meanwhile share one transfer. Rejects `STORE_DISK_FULL` when there
   * is no room (see `openWindow`), and with the signal's reason.
   */
  async open(request: OpenRequest, signal: AbortSignal): Promise<Opened> {
    const active = this.#engine.find(request.digest)
    if (active !== undefined) return this.#promoted(request, this.#opened(active))
    if (this.#deps.store.size(request.digest) !== undefined)
      return { kind: 'stored', digest: request.digest, from: 'local' }
    const failure = this.#engine.failures.get(request.digest)
    if (failure !== undefined) {
      return refusalFor(failure)
    }
    const opening = this.#opening.run(request.digest, (shared) => this.#open(request, shared), signal)
    return this.#promoted(request, await opening)
  }

  /** Bounds a transfer that still runs in the background: pieces that may be here or under way, undefined = all. */
  limit(transfer: Transfer, limit: number | undefined): void {
    const active = this.#engine.find(transfer.digest)
    if (active?.transfer === transfer && isBackground(active.order)) this.#steer(active, limit)
  }

  /** Bounds what is read from origins for some blobs in the background, besides this host's own limit; asked for every chunk. */
  paceOrigin(pace: ((digest: Digest) => RateLimiter | undefined) | undefined): void {
    this.#engine.originPace = pace
  }

  /** Tells `listener` of all content that comes from now on, until disposed. */
  listen(listener: ReceivedListener): Disposable {
    const { listeners } = this.#engine.metrics
    listeners.add(listener)
    return { [Symbol.dispose]: () => void listeners.delete(listener) }
  }

  /**
   * Fetches a blob for one reader through a window in memory, because it cannot be stored. From `start` on; when that
   * is not 0, the whole cannot be proven and trusted piece hashes decide.
   */
  async openWindow(request: OpenRequest & { size: number }, start: number, signal: AbortSignal): Promise<Opened> {
    const layout = new PieceLayout(request.digest, request.size)
    const route = await this.#small.route(request, this.#routeRequest(request, layout, new Uint8Array()), signal)
    if (route.kind === 'opened') return route.opened
    if (route.kind === 'refused') return route
    if (layout.count <= 1) return this.#small.fetch(request, route, layout, signal)
    const window = Math.max(WINDOW_LEAST_PIECES, Math.floor(WINDOW_BYTES / layout.pieceSize))
    const partial = new MemoryPartial(layout, window)
    const { asHome = false } = request
    const active = this.#engine.begin(request, partial, {
      memory: partial,
      asHome,
      shared: false,
      order: this.#order(request),
      window,
    })
    if (start > 0) active.transfer.trustTail()
    this.cursor(active.transfer, start)
    this.#engine.ways.apply(active, route)
    return this.#opened(active)
  }

  /** A reader of `transfer` is at byte `offset`: what follows is urgent, and a window moves on. */
  cursor(transfer: Transfer, offset: number): void {
    const piece = transfer.layout.pieceAt(offset)
    transfer.passed(piece)
    this.#engine.leecher.drive({ type: 'cursor', blob: transfer.blob, piece })
  }

  /**
   * A peer wants to take part in a blob's swarm, or to have a small blob. The caller has checked its access; `refuses`
   * says whether its repository may have what has been found.
   */
  async join(
    link: PeerLink,
    args: CallArguments['join'],
    asHome: boolean,
    refuses: (opened: Opened) => Promise<CallRefusal | undefined>,
    signal: AbortSignal,
  ): Promise<CallResults['join']> {
    const { have, ...wanted } = args
    const { digest } = wanted
    // whoever joins next is introduced to it
    await this.#deps.tier.introductions.ready(link, signal)
    let opened = await this.open({ ...wanted, asHome }, signal)
    const refusal = opened.kind === 'refused' ? opened : await refuses(opened)
    if (refusal !== undefined) return refusal
    // it may have ended while that was asked
    if (opened.kind === 'transfer') opened = await this.open({ ...wanted, asHome }, signal)
    const stored = opened.kind === 'stored' ? await this.#joinStored(link, digest) : undefined
    if (stored !== undefined) return stored
    // evicted, or found damaged, just now
    if (opened.kind === 'stored') opened = await this.open({ ...wanted, asHome }, signal)
    switch (opened.kind) {
      case 'refused':
        return opened
      case 'bytes':
        return { kind: 'inline', bytes: opened.bytes }
      case 'stored':
        return (await this.#joinStored(link, digest)) ?? GONE
      case 'transfer':
        return this.#joinFound(link, opened.transfer, args, signal)
    }
  }

  /** A cache of this region has become home of a blob and asks whether this host has it whole. */
  async held(link: PeerLink, digest: Digest): Promise<CallResults['join']> {
    const isShared = this.#deps.store.size(digest) !== undefined && (await this.#engine.archive.shareable(digest))
    return (isShared ? await this.#joinStored(link, digest) : undefined) ?? GONE
  }

  message(link: PeerLink, message: ControlMessage): void {
    const { seeder, neighbours, leecher, desk } = this.#engine
    switch (message.type) {
      case 'bitfield':
        return neighbours.bitfield(this.#engine.find(message.blob), link, message)
      case 'have':
        return neighbours.have(this.#engine.find(message.blob), link, message)
      case 'hashes':
        for (const active of this.#engine.of(message.blob)) neighbours.hashes(active, link, message.runs)
        return
      case 'request':
        return seeder.request(link, message)
      case 'want':
        if (!message.background) this.#promote(this.#engine.find(message.blob))
        return seeder.want(link, message)
      case 'cancel':
        return seeder.cancel(link, message.id)
      case 'busy':
        return leecher.busy(link, message.id, message.queue)
      case 'peers':
        for (const active of this.#engine.of(message.blob))
          if (active.home === link) neighbours.meet(active, this.#deps.tier.introductions.believed(link, message.peers))
        return
      case 'accuse':
        // hosts of before say so: without evidence it moves nobody
        return
      case 'giveUp':
        for (const active of this.#engine.of(message.blob)) if (active.home === link) this.#engine.homeGaveUp(active)
        return
      case 'part':
        for (const active of this.#engine.of(message.blob)) neighbours.parted(active, link)
        return
      case 'leave':
        desk.leave(message.blob, link)
        for (const active of this.#engine.of(message.blob)) this.#left(active, link)
    }
  }

  /** Forgets what was kept about blobs that are gone. */
  sweep(): Promise<void> {
    return this.#engine.archive.sweep()
  }

  /** Whether a wrong prefix of this blob may be in some client's hands: no reader may complete it. */
  tainted(digest: Digest): boolean {
    return this.#engine.tainted(digest)
  }

  unlinked(link: PeerLink): void {
    this.#engine.unlinked(link)
  }

  views(): TransferView[] {
    return [...this.#engine.actives].map(({ transfer, told, asHome }) => ({ transfer, neighbours: told.size, asHome }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine[Symbol.asyncDispose]()
  }

  async #open(request: OpenRequest, signal: AbortSignal): Promise<Opened> {
    const announced = request.size === undefined ? undefined : new PieceLayout(request.digest, request.size)
    const wantsPartial = announced !== undefined && announced.count > 1
    await this.#engine.released(request.digest)
    // what nobody waits for is wanted on disk, or not at all
    const onDisk = request.background === true
    let partial = wantsPartial ? await this.#deps.store.openPartial(announced, { onDisk }) : undefined
    try {
      const have = partial?.have.toBytes() ?? new Uint8Array()
      const route = await this.#small.route(request, this.#routeRequest(request, announced, have), signal)
      if (route.kind === 'opened') return route.opened
      if (route.kind === 'refused') return route
      const layout = new PieceLayout(request.digest, route.kind === 'origin' ? route.size : route.joined.size)
      if (announced !== undefined && announced.size !== layout.size) return otherSize(request, announced, layout)
      if (layout.count <= 1) return await this.#small.fetch(request, route, layout, signal)
      partial ??= await this.#deps.store.openPartial(layout, { onDisk })
      const shared = request.authorization === undefined
      const { asHome = false } = request
      const active = this.#engine.begin(request, partial, {
        ...{ memory: undefined, asHome: asHome || route.kind === 'origin', shared },
        ...{ order: this.#order(request), window: undefined },
        limit: request.background === true ? request.limit : undefined,
      })
      partial = undefined
      this.#engine.ways.apply(active, route)
      return this.#opened(active)
    } finally {
      await partial?.[Symbol.asyncDispose]()
    }
  }

  /** Somebody waits for it now: a background transfer becomes one like any other. */
  #promoted(request: OpenRequest, opened: Opened): Opened {
    if (opened.kind === 'transfer' && request.background !== true) {
      this.#promote(this.#engine.find(request.digest), request.order)
    }
    return opened
  }

  #promote(active: Active | undefined, order?: number): void {
    if (active === undefined || !isBackground(active.order)) return
    active.order = order ?? this.nextOrders(1)
    this.#steer(active, undefined)
  }

  #steer({ transfer: { blob }, order }: Active, limit: number | undefined): void {
    this.#engine.leecher.drive({ type: 'steered', blob, order, limit })
  }

  #routeRequest(request: OpenRequest, layout: PieceLayout | undefined, have: Uint8Array): RouteRequest {
    const { asHome = false, background } = request
    return { ref: request, size: layout?.size, have, asHome, background }
  }

  #order(request: OpenRequest): number {
    return request.order ?? this.nextOrders(1) + (request.background === true ? BACKGROUND_ORDER : 0)
  }

  /** Reserves `count` places in the order of downloads and answers the first. */
  nextOrders(count: number): number {
    const first = this.#nextOrder
    this.#nextOrder += count
    return first
  }

  #opened({ transfer, asHome, home }: Active): Opened {
    const from = home === undefined ? 'origin' : asHome ? 'parent' : 'peer'
    return { kind: 'transfer', transfer, from }
  }

  /** Undefined when the blob is not here any more. */
  async #joinStored(link: PeerLink, digest: Digest): Promise<CallResults['join'] | undefined> {
    const size = this.#deps.store.size(digest)
    if (size === undefined) return undefined
    const layout = new PieceLayout(digest, size)
    if (layout.count <= 1) {
      const bytes = await this.#smallBlobs.read(digest, size)
      return bytes === undefined ? undefined : { kind: 'inline', bytes }
    }
    const runs = await this.#engine.archive.load(layout, this.#engine.signer(digest, size))
    if (runs === undefined) return undefined
    return {
      kind: 'swarm',
      size,
      runs: runs.map((run) => this.#passable(layout, run)),
      ...this.#engine.desk.join(digest, link),
    }
  }

  /** A signature kept from long ago may not hold any more: who passed it on would break the protocol. */
  #passable({ digest, size }: PieceLayout, run: HashRun): HashRun {
    const { swarm, tier } = this.#deps
    if (run.signature === undefined || this.#engine.signer(digest, size) !== undefined) return run
    const regions = [swarm.self.region, ...tier.parentRegions]
    return regions.some((region) => swarm.vouched(digest, size, run, region))
      ? run
      : { first: run.first, hashes: run.hashes }
  }

  /** Members hear of a swarm once it is known that there is something to have. */
  async #joinFound(
    link: PeerLink,
    transfer: Transfer,
    args: CallArguments['join'],
    signal: AbortSignal,
  ): Promise<CallResults['join']> {
    try {
      await transfer.whenFound(signal)
    } catch (error) {
      signal.throwIfAborted()
      if (transfer.proven) return (await this.#joinStored(link, transfer.digest)) ?? GONE
      return refusalFor(transfer.failure ?? error)
    }
    return this.#joinTransfer(link, transfer, args)
  }

  #joinTransfer(link: PeerLink, transfer: Transfer, args: CallArguments['join']): CallResults['join'] {
    const { layout, book, partial, digest, blob } = transfer
    const active = this.#engine.find(digest)
    if (active === undefined || !active.shared) {
      return { kind: 'refused', reason: 'unavailable', message: 'this content is fetched for one client only' }
    }
    if (!active.memberHolds.has(link)) active.memberHolds.set(link, transfer.hold())
    // until its origin has confirmed a transfer, what other repositories' members have is not for its readers
    const isOwn = transfer.ref.upstream === args.upstream && transfer.ref.repository === args.repository
    const usable = args.have.length > 0 && (transfer.confirmed || isOwn)
    const bits = usable ? Bitfield.fromBytes(layout.count, args.have) : undefined
    if (bits !== undefined && bits.count > 0 && link !== active.home) {
      this.#engine.leecher.join(transfer, link, 'peer', 0)
      const source = this.#engine.leecher.sourceOf(link)
      this.#engine.leecher.drive({ type: 'sourceBits', source, blob, bits, queue: 0 })
    }
    const runs = book.runs(partial.have, this.#engine.signer(digest, layout.size))
    return { kind: 'swarm', size: layout.size, runs, ...this.#engine.desk.join(digest, link) }
  }

  #left(active: Active, link: PeerLink): void {
    active.memberHolds.get(link)?.[Symbol.dispose]()
    active.memberHolds.delete(link)
    active.told.delete(link)
    this.#engine.misconduct.left(active.transfer, link)
    if (active.home === link) this.#engine.homeStartsOver(active)
    else this.#engine.leecher.leave(active.transfer, link)
  }
}

const GONE: CallRefusal = { kind: 'refused', reason: 'unavailable', message: 'evicted just now' }
