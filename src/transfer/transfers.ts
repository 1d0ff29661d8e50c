import type { RateLimiter } from '../base/rate-limiter.ts'
import type { Digest } from '../oci/digest.ts'
import type { Handlers, PeerLink } from '../swarm/index.ts'
import type { TransferDeps } from './deps.ts'
import { Engine } from './engine.ts'
import type { Reading, Reads } from './following.ts'
import { Following } from './following.ts'
import type { OpenedForReading, ReadTransfer } from './interface.ts'
import { Joins } from './joins.ts'
import type { transferMessages } from './messages.ts'
import { transferHandlers } from './messages.ts'
import type { ReceivedListener } from './metrics.ts'
import type { OpenRequest } from './opening.ts'
import { Opening } from './opening.ts'
import { PiecesBehind } from './pieces-behind.ts'
import { RangeStreams } from './range-streams.ts'
import { Ranges } from './ranges.ts'
import { SmallContent } from './small-content.ts'
import { Windows } from './windows.ts'

export interface TransferView {
  readonly transfer: ReadTransfer
  readonly neighbours: number
}

/** All blobs on their way to this host, and all that this host gives to others. */
export class Transfers {
  /**
   * Finds a blob or starts to fetch it; all who ask meanwhile share one transfer. Rejects `STORE_DISK_FULL` when there
   * is no room (see `openWindow`), and with the signal's reason.
   */
  readonly open: (...asked: Parameters<Opening['open']>) => Promise<OpenedForReading>
  /** Reserves `count` places in the order of downloads and returns the first. */
  readonly nextOrders: Opening['nextOrders']
  /** Bounds a transfer that still runs in the background: pieces that may be here or under way, undefined = all. */
  readonly limit: Opening['limit']
  /**
   * A peer wants to take part in a blob's swarm, or to have a small blob. The caller has checked its access; `refuses`
   * says whether its repository may have what has been found.
   */
  readonly join: Opening['join']
  /** A cache of this region has become home of a blob and asks whether this host has it whole. */
  readonly held: Joins['held']
  /** Small ranges that come by themselves. */
  readonly ranges: Ranges
  /** For what peers say. */
  readonly handlers: Handlers<typeof transferMessages>
  readonly #engine: Engine
  readonly #windows: Windows
  readonly #following: Following
  readonly #behind: PiecesBehind

  constructor(deps: TransferDeps) {
    const { clock, store, tier, tracer } = deps
    const engine = new Engine(deps)
    const following = new Following(engine)
    const small = new SmallContent({ deps, metrics: engine.metrics })
    const joins = new Joins({ clock, store, engine })
    const opening = new Opening({ clock, store, tier, tracer, engine, small, following, joins })
    this.#engine = engine
    this.#following = following
    this.#windows = new Windows({ clock, engine, small, opening })
    this.open = opening.open.bind(opening)
    this.nextOrders = opening.nextOrders.bind(opening)
    this.limit = opening.limit.bind(opening)
    this.join = opening.join.bind(opening)
    this.held = joins.held.bind(joins)
    this.#behind = new PiecesBehind({ clock, logger: deps.logger, opening })
    const streams = new RangeStreams()
    this.ranges = new Ranges(deps, { engine, following, behind: this.#behind, streams })
    this.handlers = transferHandlers({ engine, following, opening, streams })
  }

  start(): void {
    this.#engine.start()
  }

  /** Bytes moved since the start, in all and by link. */
  get traffic(): Pick<Engine['metrics'], 'totals' | 'traffic'> {
    return this.#engine.metrics
  }

  /** Bounds what is read from origins for some blobs in the background, besides this host's own limit; asked for every chunk. */
  paceOrigin(pace: ((digest: Digest) => RateLimiter | undefined) | undefined): void {
    this.#engine.limits.jobPace = pace
  }

  /** Tells `listener` of all content that comes from now on, until disposed. */
  listen(listener: ReceivedListener): Disposable {
    const { listeners } = this.#engine.metrics
    listeners.add(listener)
    return { [Symbol.dispose]: () => void listeners.delete(listener) }
  }

  /**
   * Finds a blob that cannot be stored, or starts to fetch it, through a window in memory which all its readers share.
   * `start`: where the next reader will begin, in bytes.
   */
  openWindow(request: OpenRequest & { size: number }, start: number, signal: AbortSignal): Promise<OpenedForReading> {
    return this.#windows.open(request, start, signal)
  }

  /** Somebody reads `reads` of `transfer`, and says so until it ends. */
  follow(transfer: ReadTransfer, reads: Reads): Reading {
    return this.#following.follow(transfer, reads)
  }

  /** Forgets what was kept about blobs that are gone. */
  sweep(): Promise<void> {
    return this.#engine.archive.sweep()
  }

  /** Whether a wrong prefix of this blob may be in some client's hands: no reader may complete it. */
  tainted(digest: Digest): boolean {
    return this.#engine.endings.tainted(digest)
  }

  unlinked(link: PeerLink): void {
    this.#engine.unlinked(link)
  }

  views(): TransferView[] {
    const { actives, peers } = this.#engine
    return [...actives].map((active) => {
      const { transfer } = active
      return { transfer, neighbours: peers.size(active) }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#behind[Symbol.asyncDispose]()
    await this.#engine[Symbol.asyncDispose]()
  }
}
