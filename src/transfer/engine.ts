import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { TaskGroup } from '../base/task-group.ts'
import { NO_TRACER } from '../base/tracing.ts'
import type { Digest } from '../oci/digest.ts'
import { AGENT_SEEDER, CACHE_SEEDER, leecherWith } from '../scheduler/index.ts'
import type { PartialBlob } from '../store/index.ts'
import type { PeerLink } from '../swarm/index.ts'
import type { BeginOptions } from './active.ts'
import { Active } from './active.ts'
import { Actives } from './actives.ts'
import type { TransferDeps } from './deps.ts'
import { Endings } from './endings.ts'
import type { EngineEffect } from './engine-effect.ts'
import { Failover } from './failover.ts'
import { HashArchive } from './hash-archive.ts'
import { HashExchange } from './hash-exchange.ts'
import { Holders } from './holders.ts'
import { IdMap } from './id-map.ts'
import { LeecherPort } from './leecher-port.ts'
import { TransferMetrics } from './metrics.ts'
import { Misconduct } from './misconduct.ts'
import { OriginLimits } from './origin-limits.ts'
import { OriginPort } from './origin-port.ts'
import { PeerSetPort } from './peer-set-port.ts'
import { PieceBuffers } from './piece-buffers.ts'
import { Proving } from './proving.ts'
import { RecentFailures } from './recent-failures.ts'
import { SeederPort } from './seeder-port.ts'
import { SourcePicker } from './source-picker.ts'
import { StartOver } from './start-over.ts'
import { TrackerPort } from './tracker-port.ts'
import type { TransferRef } from './transfer.ts'
import { Transfer } from './transfer.ts'

const TICK_MS = 100
/** Without a transfer nothing but sweeps is due, and the host may sleep. */
const IDLE_TICK_MS = 1_000
const IDLE_BUFFER_BYTES = 16 * 1024 * 1024

/** Runs this host's transfers: begins them, carries out what the machines decide about them, and ends what nobody needs. */
export class Engine {
  readonly actives = new Actives()
  readonly metrics: TransferMetrics
  readonly limits: OriginLimits
  readonly leecher: LeecherPort
  readonly seeder: SeederPort
  readonly tracker: TrackerPort
  readonly peers: PeerSetPort
  readonly hashes: HashExchange
  readonly archive: HashArchive
  readonly sources: SourcePicker
  readonly ways: Failover
  readonly endings: Endings
  readonly misconduct: Misconduct
  readonly failures: RecentFailures
  readonly #deps: TransferDeps
  readonly #logger: Logger
  readonly #buffers = new PieceBuffers(IDLE_BUFFER_BYTES)
  readonly #origin: OriginPort
  readonly #startOver: StartOver
  readonly #proving: Proving
  readonly #blobs = new IdMap<Digest>()
  readonly #links = new IdMap<PeerLink>()
  readonly #tasks: TaskGroup
  readonly #stop = new AbortController()
  #timer: { readonly pending: Disposable; readonly isIdle: boolean } | undefined

  constructor(deps: TransferDeps) {
    this.#deps = deps
    const { clock, logger, store, swarm, tier } = deps
    const { actives } = this
    const run = (effect: EngineEffect): void => this.#run(effect)
    this.#logger = logger
    const tasks = new TaskGroup(logger)
    this.#tasks = tasks
    this.metrics = new TransferMetrics(deps.registry, swarm.self, () => actives.size)
    this.misconduct = new Misconduct({ clock, ban: swarm.ban.bind(swarm) })
    this.failures = new RecentFailures(clock)
    this.archive = new HashArchive(store, clock)
    this.sources = new SourcePicker({ ...deps, metrics: this.metrics })
    this.limits = new OriginLimits(deps.limits, actives)
    const { archive, metrics, limits, misconduct, sources } = this
    const parts = {
      clock,
      logger,
      swarm,
      tier,
      store,
      actives,
      metrics,
      limits,
      archive,
      misconduct,
      sources,
      tasks,
      run,
    }
    const own = { ...parts, buffers: this.#buffers, blobs: this.#blobs, links: this.#links }
    this.seeder = new SeederPort(swarm.self.role === 'cache' ? CACHE_SEEDER : AGENT_SEEDER, {
      ...own,
      upload: deps.limits.upload,
    })
    const { download } = deps.limits
    this.leecher = new LeecherPort(leecherWith(deps.mostOriginRanges), { ...own, download })
    const { seeder, leecher } = this
    this.#origin = new OriginPort({ ...own, leecher })
    this.hashes = new HashExchange({ ...parts, leecher })
    const { hashes } = this
    this.tracker = new TrackerPort({ ...own, leecher, hashes, introductions: tier.introductions })
    this.peers = new PeerSetPort({ ...own, leecher, seeder })
    const ports = { ...own, leecher, seeder, origin: this.#origin, hashes, tracker: this.tracker, peers: this.peers }
    this.ways = new Failover({ ...ports, holders: new Holders(ports) })
    this.#startOver = new StartOver({ ...ports, ways: this.ways })
    this.endings = new Endings(ports)
    this.#proving = new Proving({ ...ports, startOver: this.#startOver, endings: this.endings })
  }

  start(): void {
    if (this.#timer === undefined) this.#tickLater()
  }

  /** Starts moving a blob into `partial`, which it owns from here on. Give it a way (`ways.apply`) next. */
  begin(ref: TransferRef, partial: PartialBlob, options: BeginOptions): Active {
    const { clock, confirmed } = this.#deps
    const { shared, window } = options
    const blob = shared ? this.#blobs.number(ref.digest) : this.#blobs.fresh()
    const about = { digest: ref.digest, bytes: partial.layout.size, entry: options.entry }
    const span = (this.#deps.tracer ?? NO_TRACER).begin('transfer', about)
    const transfer = new Transfer(blob, ref, partial, { buffers: this.#buffers, clock, window, span })
    const active = new Active(transfer, options, clock.now())
    transfer.onLost = (pieces) => this.leecher.drive({ type: 'dropped', blob, pieces })
    transfer.onConfirmed = () => confirmed?.(ref, transfer.layout.size)
    transfer.onIdle = () => active.lingers(clock.now())
    this.actives.add(active)
    if (this.#timer?.isIdle) this.#tickLater()
    transfer.recallHashes()
    this.#announce(active, options.limit)
    this.#prove(active)
    return active
  }

  /** A link ended: its requests are asked elsewhere, its swarms live on, its home's transfers find the stand-in. */
  unlinked(link: PeerLink): void {
    this.seeder.unlinked(link)
    this.peers.unlinked(link)
    this.tracker.unlinked(link)
    for (const active of this.actives) {
      active.release(link)
      if (active.home !== link) continue
      active.lostHome()
      this.ways.reroute(active)
    }
    this.#links.forget(link)
  }

  /** The home found its content wrong: everything that came by its hashes goes, and the blob is joined anew. */
  homeStartsOver(active: Active): void {
    void this.#tasks.run('starting over failed', () => this.#startOver.homeFailed(active))
  }

  /** The home cannot get the rest of the blob: its members look for another way. */
  homeGaveUp(active: Active): void {
    if (active.home !== undefined) this.leecher.leave(active.transfer, active.home)
    this.ways.gaveUp(active)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.pending[Symbol.dispose]()
    this.#stop.abort(new DOMException('stopping', 'AbortError'))
    for (const active of [...this.actives]) this.endings.stop(active)
    await Promise.all([this.#origin[Symbol.asyncDispose](), this.seeder[Symbol.asyncDispose]()])
    // what is being closed is waited for, not cut off
    await this.#tasks.settled()
  }

  /** The machines hear of a blob that is fetched from now on. */
  #announce(active: Active, limit?: number): void {
    const { transfer, order, entry, shared } = active
    const { blob, layout, partial, window } = transfer
    const geometry = { pieces: layout.count, pieceBytes: layout.pieceSize, have: partial.have }
    const spec = { ...geometry, order, window: window?.wanted, limit, swarm: entry === 'forClient' && shared }
    this.leecher.drive({ type: 'blobAdded', blob, spec })
    if (!shared) return
    this.peers.add(active)
    this.seeder.offer(transfer)
  }

  #run(effect: EngineEffect): void {
    switch (effect.type) {
      case 'cancelFetch':
        return this.#origin.cancel(effect.range)
      case 'fetch':
        return this.#of(effect, (active) => {
          if (active.chain !== undefined) this.#origin.fetch(active.transfer, active.chain, effect)
        })
      case 'findPeers':
        return this.#of(effect, (active) => this.ways.reroute(active))
      case 'stalled':
        return this.#of(effect, (active) => this.ways.stalled(active))
      case 'originFailed':
        return this.#of(effect, (active) => this.#originFailed(active, effect.refused))
      case 'complete':
        // the proof runs as pieces are kept
        return
      case 'kept':
        return this.#of(effect.transfer, (active) => this.#kept(active, effect.piece))
      case 'caught':
        return this.#of(effect.transfer, (active) => this.#caught(active, effect.piece, effect.link))
      case 'broken':
        return this.#of(effect.transfer, (active) => this.#fail(active, failureOf(effect.error)))
      case 'fail':
        return this.#fail(effect.active, effect.error)
      case 'restart':
        return this.#announce(effect.active)
      default:
        effect satisfies never
    }
  }

  /** What is about a transfer that has ended, or has been followed by another, is about nothing. */
  #of(about: Transfer | { readonly blob: number }, act: (active: Active) => void): void {
    const active = this.actives.at(about.blob)
    if (active === undefined || (about instanceof Transfer && active.transfer !== about)) return
    act(active)
  }

  #kept(active: Active, piece: number): void {
    this.ways.progressed(active)
    if (active.shared) {
      this.seeder.available(active.transfer)
      this.peers.stored(active, piece)
      this.tracker.drive({ type: 'stored', blob: active.transfer.blob, piece })
    }
    this.#prove(active)
  }

  #prove(active: Active): void {
    void this.#tasks.run('proving a blob failed', () => this.#proving.advance(active))
  }

  /** A peer sent bytes that do not match a vouched hash: it is not asked for this blob again. */
  #caught(active: Active, piece: number, link: PeerLink): void {
    const { transfer, home } = active
    const about = { peer: link.peer.key, digest: transfer.digest, piece }
    this.#logger.warn(about, 'a peer sent wrong bytes: it is not asked for this blob again')
    this.misconduct.caught(transfer, link)
    if (link === home) this.ways.homeErred(active)
    else this.peers.lost(active, link, 'lied')
  }

  #originFailed(active: Active, refused: boolean): void {
    const unreachable = new ShoalError('ORIGIN_UNREACHABLE', 'the origin does not answer')
    const cause = this.#origin.lastError(active.transfer) ?? unreachable
    if (refused) this.#fail(active, cause)
    else this.ways.originFailed(active, cause)
  }

  #fail(active: Active, error: ShoalError): void {
    if (!this.actives.runs(active)) return
    const { transfer } = active
    const { digest } = transfer
    this.#logger.warn({ digest, code: error.code, err: error }, 'transfer failed')
    transfer.fail(error)
    this.failures.note(active, error)
    // members that wait at this home would wait in vain
    this.tracker.end(digest, error.code === 'CONTENT_CORRUPT' ? 'dissolved' : 'gaveUp')
    this.endings.stop(active)
  }

  #tick(): void {
    if (this.#stop.signal.aborted) return
    const now = this.#deps.clock.now()
    if (this.actives.size > 0) this.leecher.drive({ type: 'tick' })
    this.seeder.tick()
    this.tracker.drive({ type: 'tick' })
    for (const active of [...this.actives]) {
      this.ways.limitsMayHaveChanged(active)
      this.ways.homeMayBeMute(active)
      if (!active.isAbandoned(now)) continue
      this.#logger.info({ digest: active.transfer.digest }, 'nobody waits for this blob: paused')
      this.endings.stop(active)
    }
    this.#tickLater()
  }

  #tickLater(): void {
    this.#timer?.pending[Symbol.dispose]()
    const isIdle = this.actives.size === 0
    const pending = this.#deps.clock.after(isIdle ? IDLE_TICK_MS : TICK_MS, () => this.#tick())
    this.#timer = { pending, isIdle }
  }
}

function failureOf(error: unknown): ShoalError {
  return isShoalError(error) ? error : new ShoalError('STORE_FAILED', errorText(error), { cause: error })
}
