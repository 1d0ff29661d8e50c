import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import type { Digest } from '../oci/digest.ts'
import type { LeecherEffect } from '../scheduler/index.ts'
import { AGENT_SEEDER, CACHE_SEEDER, DEFAULT_LEECHER, isBackground } from '../scheduler/index.ts'
import type { PartialBlob } from '../store/index.ts'
import type { PeerLink } from '../swarm/index.ts'
import type { Active, BeginOptions } from './active.ts'
import type { TransferDeps } from './deps.ts'
import { HashArchive } from './hash-archive.ts'
import type { Signer } from './hash-book.ts'
import { Holders } from './holders.ts'
import { HomeDesk } from './home-desk.ts'
import { LeecherPort } from './leecher-port.ts'
import { TransferMetrics } from './metrics.ts'
import { Misconduct } from './misconduct.ts'
import { Neighbourhood } from './neighbourhood.ts'
import { Numbering } from './numbering.ts'
import { OriginPort } from './origin-port.ts'
import { PieceBuffers } from './piece-buffers.ts'
import { RecentFailures } from './recent-failures.ts'
import { Router } from './router.ts'
import { SeederPort } from './seeder-port.ts'
import { StartOver } from './start-over.ts'
import type { TransferRef } from './transfer.ts'
import { Transfer } from './transfer.ts'
import { WayFinder } from './way-finder.ts'

const TICK_MS = 100
/** How long a transfer goes on that nobody waits for any more: a runtime that lost its connection comes back. */
const LINGER_MS = 30_000
/** The same for one nobody has begun to read: a sibling layer its runtime has not come to yet. */
const LINGER_UNREAD_MS = 5 * 60_000
/** How long no client may resume a blob of which a wrong prefix was handed out. */
const TAINTED_MS = 10 * 60_000
const MAX_REMEMBERED = 1_024
const IDLE_BUFFER_BYTES = 16 * 1024 * 1024

/**
 * Runs this host's transfers: carries out what the schedulers decide, proves what arrives, finds another way when one
 * is lost, and ends what nobody needs.
 */
export class Engine {
  readonly metrics: TransferMetrics
  readonly desk: HomeDesk
  readonly seeder: SeederPort
  readonly leecher: LeecherPort
  readonly neighbours: Neighbourhood
  readonly archive: HashArchive
  readonly router: Router
  readonly ways: WayFinder
  readonly misconduct: Misconduct
  readonly failures: RecentFailures
  readonly buffers = new PieceBuffers(IDLE_BUFFER_BYTES)
  originPace: ((digest: Digest) => RateLimiter | undefined) | undefined
  readonly #deps: TransferDeps
  readonly #origin: OriginPort
  readonly #startOver: StartOver
  readonly #blobs = new Numbering<Digest>()
  readonly #links = new Numbering<PeerLink>()
  readonly #byBlob = new Map<number, Active>()
  readonly #byDigest = new Map<Digest, Active>()
  readonly #tainted: ExpiringMap<true>
  readonly #closing = new Map<Digest, Promise<void>>()
  readonly #tasks = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  #timer: Disposable | undefined

  constructor(deps: TransferDeps) {
    this.#deps = deps
    const { clock, logger, store, swarm, limits } = deps
    this.metrics = new TransferMetrics(deps.registry, swarm.self.region, () => this.#byBlob.size)
    const { metrics, buffers } = this
    this.desk = new HomeDesk(clock, (link) => deps.tier.introductions.of(link))
    this.misconduct = new Misconduct({ clock, ban: swarm.ban.bind(swarm) })
    this.failures = new RecentFailures(clock)
    this.#tainted = new ExpiringMap(clock, MAX_REMEMBERED)
    this.archive = new HashArchive(store)
    this.router = new Router({ tier: deps.tier, origins: deps.origins })
    const stored = (transfer: Transfer, piece: number): void => this.#stored(transfer, piece)
    const broken = (transfer: Transfer, error: unknown): void => this.#broken(transfer, error)
    const shared = { clock, logger, metrics, buffers, links: this.#links }
    const shareable = this.archive.shareable.bind(this.archive)
    const seeding = swarm.self.role === 'cache' ? CACHE_SEEDER : AGENT_SEEDER
    this.seeder = new SeederPort(seeding, { ...shared, store, blobs: this.#blobs, upload: limits.upload, shareable })
    this.leecher = new LeecherPort(DEFAULT_LEECHER, {
      ...shared,
      download: limits.download,
      transfer: (blob) => this.#byBlob.get(blob)?.transfer,
      elsewhere: (effect) => this.#run(effect),
      stored,
      broken,
      caught: (transfer, piece, link) => this.neighbours.caught(this.#byBlob.get(transfer.blob), piece, link),
    })
    const drive = this.leecher.drive.bind(this.leecher)
    // a job's rate is no pull's, also for a blob that both want
    const pace = (digest: Digest) =>
      isBackground(this.find(digest)?.order ?? 0) ? this.originPace?.(digest) : undefined
    this.#origin = new OriginPort({ logger, metrics, buffers, limit: limits.origin, pace, drive, stored, broken })
    this.neighbours = new Neighbourhood({
      ...{ clock, logger, swarm, leecher: this.leecher, seeder: this.seeder, desk: this.desk },
      isHomeward: (peer) => deps.tier.isHomeward(peer),
      signer: (active) => this.signer(active.transfer.layout.digest, active.transfer.layout.size),
      regionsAbove: deps.tier.parentRegions,
      misconduct: this.misconduct,
      homeErred: (active) => this.ways.homeErred(active),
    })
    this.ways = new WayFinder({
      ...{ clock, tier: deps.tier, router: this.router, leecher: this.leecher, neighbours: this.neighbours },
      holders: new Holders({ logger, swarm, tier: deps.tier, leecher: this.leecher, neighbours: this.neighbours }),
      originLimit: () => limits.origin.bytesPerSec,
      running: (active) => this.#runs(active),
      fail: (active, error) => this.fail(active, error),
      own: (task) => this.#own(task),
    })
    const { leecher, neighbours, desk, ways } = this
    this.#startOver = new StartOver({
      clock,
      logger,
      metrics,
      leecher,
      neighbours,
      desk,
      ways,
      usedBy: (transfer) => this.#origin.usedBy(transfer),
      running: (active) => this.#runs(active),
      fail: (active, error) => this.fail(active, error),
      begin: (active) => {
        if (active.shared) this.seeder.offer(active.transfer)
        this.#announceToLeecher(active)
      },
    })
  }

  start(): void {
    this.#timer ??= this.#deps.clock.after(TICK_MS, () => this.#tick())
  }

  get actives(): Iterable<Active> {
    return this.#byBlob.values()
  }

  find(digest: Digest): Active | undefined {
    return this.#byDigest.get(digest)
  }

  /** All transfers of a digest: the shared one and windows beside it. */
  of(digest: Digest): Active[] {
    return [...this.#byBlob.values()].filter((active) => active.transfer.digest === digest)
  }

  tainted(digest: Digest): boolean {
    return this.#tainted.get(digest) === true || this.of(digest).some(({ transfer }) => transfer.tainted)
  }

  /** Vouches for piece hashes, if this host is a cache that may. */
  signer(digest: Digest, size: number): Signer | undefined {
    const { vouch, self } = this.#deps.swarm
    if (vouch === undefined || self.role !== 'cache') return undefined
    return (first, hashes) => vouch(digest, size, first, hashes)
  }

  /** Starts moving a blob into `partial`, which it owns from here on. Give it a way (`ways.apply`) next. */
  begin(ref: TransferRef, partial: PartialBlob, options: BeginOptions): Active {
    const blob = options.shared ? this.#blobs.number(ref.digest) : this.#blobs.fresh()
    const transfer = new Transfer(blob, ref, partial, { buffers: this.buffers, clock: this.#deps.clock })
    const { asHome, shared, order, window } = options
    const active: Active = {
      ...{ transfer, asHome, shared, order, window, home: undefined, chain: undefined },
      rerouting: undefined,
      failures: 0,
      startingOver: false,
      memberHolds: new Map(),
      told: new Map(),
      shunned: new Set(),
      idleSince: this.#deps.clock.now(),
      lingerMs: LINGER_UNREAD_MS,
    }
    transfer.onLost = (pieces) => this.leecher.drive({ type: 'dropped', blob, pieces })
    transfer.onConfirmed = () => this.#deps.confirmed?.(ref, transfer.layout.size)
    transfer.onIdle = () => {
      active.idleSince = this.#deps.clock.now()
      // a window serves one reader: without it, it is only memory
      active.lingerMs = options.memory === undefined ? LINGER_MS : 0
    }
    this.#byBlob.set(blob, active)
    if (options.memory === undefined) this.#byDigest.set(ref.digest, active)
    transfer.recallHashes()
    this.#announceToLeecher(active, options.limit)
    if (shared) this.seeder.offer(transfer)
    this.#own(this.#advance(active))
    return active
  }

  /** A link ended: its requests are asked elsewhere, its swarms live on, its home's transfers find the stand-in. */
  unlinked(link: PeerLink): void {
    this.seeder.unlinked(link)
    this.leecher.unlinked(link)
    this.desk.unlinked(link)
    for (const active of this.#byBlob.values()) {
      active.told.delete(link)
      active.memberHolds.get(link)?.[Symbol.dispose]()
      active.memberHolds.delete(link)
      if (active.home !== link) continue
      active.home = undefined
      this.ways.reroute(active)
    }
    this.#links.forget(link)
  }

  /** The home found its content wrong: everything that came by its hashes goes, and the blob is joined anew. */
  homeStartsOver(active: Active): void {
    this.#own(this.#startOver.homeFailed(active))
  }

  /** Resolves when nothing of the digest is being closed any more: its partial can be opened again. */
  async released(digest: Digest): Promise<void> {
    await this.#closing.get(digest)
  }

  /** The home cannot get the rest of the blob: its members look for another way. */
  homeGaveUp(active: Active): void {
    if (active.home !== undefined) this.leecher.leave(active.transfer, active.home)
    this.ways.gaveUp(active)
  }

  fail(active: Active, error: ShoalError): void {
    if (!this.#runs(active)) return
    this.#deps.logger.warn({ digest: active.transfer.digest, code: error.code, err: error.message }, 'transfer failed')
    active.transfer.fail(error)
    const { digest } = active.transfer
    this.failures.note(active, error)
    // who waits at this home would wait in vain
    if (error.code === 'CONTENT_CORRUPT') this.desk.dissolve(digest)
    else this.desk.giveUp(digest)
    this.#end(active)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.[Symbol.dispose]()
    this.#stop.abort(new DOMException('stopping', 'AbortError'))
    for (const active of [...this.#byBlob.values()]) this.#end(active)
    await Promise.all([this.#origin[Symbol.asyncDispose](), this.seeder[Symbol.asyncDispose]()])
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks)
  }

  #announceToLeecher({ transfer, order, window, asHome, shared }: Active, limit?: number): void {
    const { blob, layout, partial } = transfer
    const geometry = { pieces: layout.count, pieceBytes: layout.pieceSize, have: partial.have }
    const spec = { ...geometry, order, window, limit, swarm: !asHome && shared }
    this.leecher.drive({ type: 'blobAdded', blob, spec })
  }

  #run(effect: LeecherEffect): void {
    if (effect.type === 'cancelFetch') return this.#origin.cancel(effect.lane)
    const active = 'blob' in effect ? this.#byBlob.get(effect.blob) : undefined
    if (active === undefined) return
    switch (effect.type) {
      case 'fetch':
        if (active.chain !== undefined) this.#origin.fetch(active.transfer, active.chain, effect)
        return
      case 'findPeers':
        this.ways.reroute(active)
        return
      case 'stalled':
        this.ways.stalled(active)
        return
      case 'originFailed': {
        const unreachable = new ShoalError('ORIGIN_UNREACHABLE', 'the origin does not answer')
        const cause = this.#origin.lastError(active.transfer) ?? unreachable
        if (effect.refused) this.fail(active, cause)
        else this.ways.originFailed(active, cause)
        return
      }
      default:
        // 'complete' needs nothing here: the proof runs as pieces are stored
        return
    }
  }

  #stored(transfer: Transfer, piece: number): void {
    const active = this.#byBlob.get(transfer.blob)
    if (active?.transfer !== transfer) return
    active.failures = 0
    if (active.shared) this.seeder.available(transfer)
    this.neighbours.stored(active, piece)
    this.#own(this.#advance(active))
  }

  #broken(transfer: Transfer, error: unknown): void {
    const active = this.#byBlob.get(transfer.blob)
    if (active?.transfer !== transfer) return
    this.fail(active, isShoalError(error) ? error : new ShoalError('STORE_FAILED', errorText(error), { cause: error }))
  }

  /** Carries the proof on; when the whole is proven or wrong, acts on it. */
  async #advance(active: Active): Promise<void> {
    const { transfer } = active
    if (!transfer.provable) return
    const scratch = this.buffers.take(transfer.layout.pieceSize, transfer.layout.pieceSize)
    try {
      const outcome = await transfer.prove(scratch)
      if (outcome === 'proven') await this.#finish(active)
      else if (outcome === 'corrupt') await this.#startOver.failed(active)
    } catch (error) {
      this.#broken(transfer, error)
    } finally {
      this.buffers.give(scratch)
    }
  }

  async #finish(active: Active): Promise<void> {
    const { transfer } = active
    if (!this.#runs(active) || transfer.memory !== undefined) return
    const { digest, layout, partial, book } = transfer
    const hadWords = book.proven()
    this.misconduct.proven(transfer)
    await partial.commit()
    // members are told what is proven: of what was only said to this home they have heard nothing
    if (hadWords) this.desk.tell(digest, layout.size, book.runs(undefined, this.signer(digest, layout.size)))
    if (active.shared) await this.archive.save(layout, book.runs(undefined, this.signer(digest, layout.size)))
    this.neighbours.flush(active)
    if (active.shared) await this.seeder.completed(digest)
    this.metrics.finished(transfer, this.#deps.clock.now() - transfer.startedAt)
    if (active.home !== undefined) this.#deps.tier.delivered(active.home.peer.key)
    this.#deps.logger.info({ digest, bytes: layout.size, received: transfer.received }, 'blob complete')
    this.#forget(active)
    transfer.close(new DOMException('the blob is complete', 'AbortError'))
    if (transfer.held) transfer.onIdle = () => this.#close(transfer)
    else this.#close(transfer)
  }

  #tick(): void {
    if (this.#stop.signal.aborted) return
    const now = this.#deps.clock.now()
    if (this.#byBlob.size > 0) this.leecher.drive({ type: 'tick' })
    this.seeder.tick()
    this.desk.tick()
    for (const active of [...this.#byBlob.values()]) {
      if (active.transfer.held || now - active.idleSince < active.lingerMs) continue
      this.#deps.logger.info({ digest: active.transfer.digest }, 'nobody waits for this blob: paused')
      this.#end(active)
    }
    this.#timer = this.#deps.clock.after(TICK_MS, () => this.#tick())
  }

  /** Stops a transfer; what it has stays on disk. */
  #end(active: Active): void {
    const { transfer } = active
    this.neighbours.leave(active)
    if (active.shared) this.seeder.withdraw(transfer.digest)
    this.#forget(active)
    transfer.close(transfer.failure ?? new DOMException('the transfer was stopped', 'AbortError'))
    this.#close(transfer)
  }

  #close({ digest, partial, memory }: Transfer): void {
    const closing = Promise.resolve(partial[Symbol.asyncDispose]()).finally(() => {
      if (this.#closing.get(digest) === closing) this.#closing.delete(digest)
    })
    if (memory === undefined) this.#closing.set(digest, closing)
    this.#own(closing)
  }

  #runs(active: Active): boolean {
    return this.#byBlob.get(active.transfer.blob) === active
  }

  #forget(active: Active): void {
    const { transfer } = active
    if (transfer.tainted) this.#tainted.set(transfer.digest, true, TAINTED_MS)
    this.leecher.removeBlob(transfer)
    this.#origin.forget(transfer)
    this.neighbours.forget(active)
    this.#byBlob.delete(transfer.blob)
    if (this.#byDigest.get(transfer.digest) === active) this.#byDigest.delete(transfer.digest)
    for (const hold of active.memberHolds.values()) hold[Symbol.dispose]()
    active.memberHolds.clear()
  }

  #own(task: Promise<void>): void {
    const owned = task.catch((error: unknown) => {
      this.#deps.logger.error({ err: errorText(error) }, 'a transfer task failed')
    })
    this.#tasks.add(owned)
    void owned.finally(() => this.#tasks.delete(owned))
  }
}
