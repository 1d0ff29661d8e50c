import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import type { Digest } from '../oci/digest.ts'
import type { OriginChain } from '../origin/index.ts'
import type { LeecherEffect } from '../scheduler/index.ts'
import { AGENT_SEEDER, CACHE_SEEDER, DEFAULT_LEECHER } from '../scheduler/index.ts'
import type { BlobStore, PartialBlob } from '../store/index.ts'
import type { PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Active } from './active.ts'
import { HashArchive } from './hash-archive.ts'
import type { Signer } from './hash-book.ts'
import { HomeDesk } from './home-desk.ts'
import { LeecherPort } from './leecher-port.ts'
import type { MemoryPartial } from './memory-partial.ts'
import { TransferMetrics } from './metrics.ts'
import { Neighbourhood } from './neighbourhood.ts'
import { Numbering } from './numbering.ts'
import { LANES_PER_BLOB, OriginPort } from './origin-port.ts'
import { PieceBuffers } from './piece-buffers.ts'
import type { Route } from './router.ts'
import { Router } from './router.ts'
import { SeederPort } from './seeder-port.ts'
import type { TransferRef } from './transfer.ts'
import { Transfer } from './transfer.ts'

export interface TransferDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: MetricRegistry
  readonly store: BlobStore
  readonly swarm: Swarm
  readonly tier: Tier
  /** The origins of an upstream; undefined for one that is not configured. */
  readonly origins: (upstream: string) => OriginChain | undefined
  readonly limits: { readonly upload: RateLimiter; readonly download: RateLimiter; readonly origin: RateLimiter }
}

const TICK_MS = 100
/** How long a transfer goes on that nobody waits for any more: a runtime that lost its connection comes back. */
const LINGER_MS = 30_000
/** The same for one nobody has begun to read: a sibling layer its runtime has not come to yet. */
const LINGER_UNREAD_MS = 5 * 60_000
/** How long no client may resume a blob of which a wrong prefix was handed out. */
const TAINTED_MS = 10 * 60_000
/** Attempts in a row to find a way to the content, without a piece between them, before the transfer fails. */
const MAX_FAILURES = 5
const RETRY_MS = 400
/** Whole contents that failed their digest before the blob is given up. */
const MAX_FAILED_PROOFS = 3
/** From this failed proof on, the blob is read from the origin itself, whatever the homes say. */
const DISTRUST_HOMES_AFTER = 2
const IDLE_BUFFER_BYTES = 32 * 1024 * 1024
/** How long a peer that sent wrong bytes is kept out. */
const BAN_MS = 10 * 60_000

export interface BeginOptions {
  readonly memory: MemoryPartial | undefined
  readonly asHome: boolean
  readonly shared: boolean
  readonly order: number
  readonly window: number | undefined
}

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
  readonly buffers = new PieceBuffers(IDLE_BUFFER_BYTES)
  readonly #deps: TransferDeps
  readonly #origin: OriginPort
  readonly #blobs = new Numbering<Digest>()
  readonly #links = new Numbering<PeerLink>()
  readonly #byBlob = new Map<number, Active>()
  readonly #byDigest = new Map<Digest, Active>()
  readonly #tainted = new Map<Digest, number>()
  readonly #tasks = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  #timer: Disposable | undefined

  constructor(deps: TransferDeps) {
    this.#deps = deps
    const { clock, logger, store, swarm, limits } = deps
    const { buffers } = this
    this.metrics = new TransferMetrics(deps.registry, swarm.self.region, () => this.#byBlob.size)
    const { metrics } = this
    this.desk = new HomeDesk(clock)
    this.archive = new HashArchive(store, buffers)
    this.router = new Router({ tier: deps.tier, origins: deps.origins })
    const stored = (transfer: Transfer, piece: number): void => this.#stored(transfer, piece)
    const broken = (transfer: Transfer, error: unknown): void => this.#broken(transfer, error)
    const shared = { clock, logger, metrics, buffers, links: this.#links }
    const seeding = swarm.self.role === 'cache' ? CACHE_SEEDER : AGENT_SEEDER
    this.seeder = new SeederPort(seeding, { ...shared, store, blobs: this.#blobs, upload: limits.upload })
    this.leecher = new LeecherPort(DEFAULT_LEECHER, {
      ...shared,
      download: limits.download,
      transfer: (blob) => this.#byBlob.get(blob)?.transfer,
      elsewhere: (effect) => this.#run(effect),
      stored,
      broken,
      caught: (transfer, piece, link) => this.#caught(transfer, piece, link),
    })
    const drive = this.leecher.drive.bind(this.leecher)
    this.#origin = new OriginPort({ logger, metrics, buffers, limit: limits.origin, drive, stored, broken })
    this.neighbours = new Neighbourhood({
      ...{ clock, logger, swarm, leecher: this.leecher, seeder: this.seeder, desk: this.desk },
      signer: (active) => this.signer(active.transfer.layout.digest, active.transfer.layout.size),
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
    return this.#tainted.has(digest) || this.of(digest).some(({ transfer }) => transfer.tainted)
  }

  /** Vouches for piece hashes, if this host is a cache that may. */
  signer(digest: Digest, size: number): Signer | undefined {
    const { vouch, self } = this.#deps.swarm
    if (vouch === undefined || self.role !== 'cache') return undefined
    return (first, hashes) => vouch(digest, size, first, hashes)
  }

  /** Starts moving a blob into `partial`, which it owns from here on. `apply` a route next. */
  begin(ref: TransferRef, partial: PartialBlob, options: BeginOptions): Active {
    const blob = options.shared ? this.#blobs.number(ref.digest) : this.#blobs.fresh()
    const transfer = new Transfer(blob, ref, partial, options.memory)
    const { asHome, shared, order, window } = options
    const active: Active = {
      ...{ transfer, asHome, shared, order, window, home: undefined, chain: undefined, rerouting: undefined },
      ...{ failures: 0, memberHolds: new Map(), told: new Set(), idleSince: this.#deps.clock.now() },
      lingerMs: LINGER_UNREAD_MS,
    }
    transfer.onIdle = () => {
      active.idleSince = this.#deps.clock.now()
      // a window serves one reader: without it, it is only memory
      active.lingerMs = options.memory === undefined ? LINGER_MS : 0
    }
    this.#byBlob.set(blob, active)
    if (options.memory === undefined) this.#byDigest.set(ref.digest, active)
    this.#recallHashes(transfer)
    this.#announceToLeecher(active)
    if (shared) this.seeder.offer(transfer)
    this.#own(this.#advance(active))
    return active
  }

  /** Takes a way to the content: joins the home's swarm, or opens the origin's lanes. */
  apply(active: Active, route: Extract<Route, { kind: 'swarm' | 'origin' }>): void {
    const { transfer } = active
    if (route.kind === 'origin') {
      active.home = undefined
      active.chain = route.chain
      this.leecher.drive({ type: 'originOpen', blob: transfer.blob, lanes: LANES_PER_BLOB })
      return
    }
    if (active.chain !== undefined) this.leecher.drive({ type: 'originOpen', blob: transfer.blob, lanes: 0 })
    active.chain = undefined
    active.home = route.link
    this.leecher.join(transfer, route.link, route.as, 0)
    this.neighbours.hashes(active, route.link, route.joined.runs)
    if (active.shared) this.neighbours.meet(active, route.joined.peers)
  }

  /** Looks for a way again: the home is gone, starts over, or has more neighbours to introduce. */
  reroute(active: Active): void {
    if (active.rerouting !== undefined || active.transfer.signal.aborted) return
    active.rerouting = this.#findWay(active).finally(() => {
      active.rerouting = undefined
    })
    this.#own(active.rerouting)
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
      this.reroute(active)
    }
    this.#links.forget(link)
  }

  /** The home found its content wrong: everything that came by its hashes goes, and the blob is joined anew. */
  homeStartsOver(active: Active): void {
    this.#own(this.#startOver(active))
  }

  fail(active: Active, error: ShoalError): void {
    this.#deps.logger.warn({ digest: active.transfer.digest, code: error.code, err: error.message }, 'transfer failed')
    active.transfer.fail(error)
    this.#end(active)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.[Symbol.dispose]()
    this.#stop.abort(new DOMException('stopping', 'AbortError'))
    for (const active of [...this.#byBlob.values()]) this.#end(active)
    await Promise.all([this.#origin[Symbol.asyncDispose](), this.seeder[Symbol.asyncDispose]()])
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks)
  }

  #announceToLeecher({ transfer, order, window, asHome, shared }: Active): void {
    const { blob, layout, partial } = transfer
    const spec = {
      ...{ pieces: layout.count, pieceBytes: layout.pieceSize, have: partial.have, order, window },
      swarm: !asHome && shared,
    }
    this.leecher.drive({ type: 'blobAdded', blob, spec })
  }

  /** Pieces left by an earlier process match their own hashes; whether those are the right ones, a home must say. */
  #recallHashes({ layout, partial, book }: Transfer): void {
    for (let piece = 0; piece < layout.count; piece++) {
      const hashes = partial.have.has(piece) ? partial.hash(piece) : undefined
      if (hashes !== undefined) book.addRun({ first: piece, hashes }, false)
    }
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
        this.reroute(active)
        return
      case 'stalled':
        if (active.home !== undefined && active.transfer.received.peer === 0)
          this.#deps.tier.suspect(active.home.peer.key)
        this.reroute(active)
        return
      case 'originFailed':
        this.#originFailed(active)
        return
      default:
        // 'complete' needs nothing here: the proof runs as pieces are stored
        return
    }
  }

  #originFailed(active: Active): void {
    active.failures++
    if (active.failures < MAX_FAILURES && this.#deps.tier.parents(active.transfer.digest).length > 0) {
      this.reroute(active)
      return
    }
    const cause = this.#origin.lastError(active.transfer)
    this.fail(active, cause ?? new ShoalError('ORIGIN_UNREACHABLE', 'the origin does not answer'))
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

  #caught(transfer: Transfer, piece: number, link: PeerLink): void {
    this.#deps.logger.warn(
      { peer: link.peer.key, digest: transfer.digest, piece },
      'a peer sent wrong bytes and is dropped',
    )
    const home = this.#byBlob.get(transfer.blob)?.home
    if (home !== link) home?.send({ type: 'accuse', blob: transfer.digest, piece, peer: link.peer.key })
    this.#deps.swarm.ban(link.peer.key, BAN_MS, 'sent wrong bytes')
  }

  /** Carries the proof on; when the whole is proven or wrong, acts on it. */
  async #advance(active: Active): Promise<void> {
    const { transfer } = active
    if (!transfer.provable) return
    const scratch = this.buffers.take(transfer.layout.pieceSize, transfer.layout.pieceSize)
    try {
      const outcome = await transfer.prove(scratch)
      if (outcome === 'proven') await this.#finish(active)
      else if (outcome === 'corrupt') await this.#startOver(active)
    } catch (error) {
      this.#broken(transfer, error)
    } finally {
      this.buffers.give(scratch)
    }
  }

  async #finish(active: Active): Promise<void> {
    const { transfer } = active
    if (this.#byBlob.get(transfer.blob) !== active || transfer.memory !== undefined) return
    const { digest, layout, partial, book } = transfer
    book.proven()
    await partial.commit()
    await this.archive.save(layout, book.runs(undefined, this.signer(digest, layout.size)))
    this.neighbours.flush(active)
    if (active.shared) await this.seeder.completed(digest)
    this.metrics.finished(transfer)
    this.#deps.logger.info({ digest, bytes: layout.size, received: transfer.received }, 'blob complete')
    this.#forget(active)
    const close = (): void => this.#own(Promise.resolve(partial[Symbol.asyncDispose]()))
    if (transfer.held) transfer.onIdle = close
    else close()
  }

  async #startOver(active: Active): Promise<void> {
    const { transfer } = active
    const { digest } = transfer
    this.metrics.rejected('failed_digest')
    for (const label of this.#origin.usedBy(transfer)) active.chain?.distrust(label, digest)
    this.#deps.logger.error({ digest, attempt: transfer.failedProofs + 1 }, 'content failed its digest and is dropped')
    this.leecher.removeBlob(transfer)
    await transfer.startOver()
    if (transfer.failedProofs >= MAX_FAILED_PROOFS) {
      await transfer.partial.discard()
      this.fail(active, new ShoalError('CONTENT_CORRUPT', `no source has the right bytes for ${digest}`))
      return
    }
    this.neighbours.leave(active)
    this.desk.dissolve(digest)
    active.home = undefined
    active.chain = undefined
    if (transfer.failedProofs >= DISTRUST_HOMES_AFTER) active.asHome = true
    if (active.shared) this.seeder.offer(transfer)
    this.#announceToLeecher(active)
    this.reroute(active)
  }

  /** Never rejects. */
  async #findWay(active: Active): Promise<void> {
    const { transfer, asHome } = active
    const { layout, ref, partial, signal } = transfer
    while (!signal.aborted) {
      try {
        const request = { ref, size: layout.size, have: partial.have.toBytes(), asHome }
        const route = await this.router.route(request, signal)
        if (route.kind === 'origin' || (route.kind === 'swarm' && route.joined.size === layout.size)) {
          this.apply(active, route)
          return
        }
        active.failures++
        if (active.failures >= MAX_FAILURES) {
          const why = route.kind === 'refused' ? route.message : 'the home announces another size'
          this.fail(active, new ShoalError('UNAVAILABLE', why))
          return
        }
        await sleep(this.#deps.clock, RETRY_MS * active.failures, signal)
      } catch (error) {
        if (!signal.aborted) this.fail(active, new ShoalError('UNAVAILABLE', errorText(error), { cause: error }))
        return
      }
    }
  }

  #tick(): void {
    if (this.#stop.signal.aborted) return
    const now = this.#deps.clock.now()
    if (this.#byBlob.size > 0) this.leecher.drive({ type: 'tick' })
    this.seeder.tick()
    this.desk.tick()
    for (const [digest, until] of this.#tainted) if (until < now) this.#tainted.delete(digest)
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
    this.#own(Promise.resolve(transfer.partial[Symbol.asyncDispose]()))
  }

  #forget(active: Active): void {
    const { transfer } = active
    if (transfer.tainted) this.#tainted.set(transfer.digest, this.#deps.clock.now() + TAINTED_MS)
    this.leecher.removeBlob(transfer)
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
