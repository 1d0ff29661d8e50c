import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import { TaskGroup } from '../base/task-group.ts'
import type { Digest } from '../oci/digest.ts'
import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import { Bitfield } from '../piece/bitfield.ts'
import { PieceLayout } from '../piece/piece-layout.ts'
import type { SeederEffect, SeederEvent, SeederOptions } from '../scheduler/index.ts'
import { Seeder } from '../scheduler/index.ts'
import type { BlobStore, StoredBlob } from '../store/index.ts'
import type { PeerLink } from '../swarm/index.ts'
import type { HashArchive } from './hash-archive.ts'
import type { BlobNumbers, LinkNumbers } from './id-map.ts'
import type { TransferMessage } from './messages.ts'
import { transferMessages } from './messages.ts'
import type { TransferMetrics } from './metrics.ts'
import type { PieceBuffers, ReadInto } from './piece-buffers.ts'
import type { Transfer } from './transfer.ts'

/** A complete blob nobody asked for during this time is closed, and may be evicted again. */
const IDLE_MS = 60_000
const SWEEP_EVERY_MS = 10_000
/** With the store short of room, one that nobody asked for during this time. */
const IDLE_WHEN_SHORT_MS = 2_000

/** A piece that is not read or not taken by then is said to have begun: its first byte may never come. */
const SAY_BEGUN_MS = 1_000

interface SeederPortDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: TransferMetrics
  readonly store: BlobStore
  readonly blobs: BlobNumbers
  readonly links: LinkNumbers
  readonly buffers: PieceBuffers
  readonly upload: RateLimiter
  /** Says whether peers may have a complete blob by its digest alone. */
  readonly archive: Pick<HashArchive, 'shareable'>
}

/** A piece that is being sent. */
interface Begun {
  readonly link: PeerLink
  readonly id: number
  readonly piece: number
}

interface Served {
  readonly blob: number
  readonly layout: PieceLayout
  readonly have: ReadonlyBitfield
  readInto: ReadInto
  /** The handle behind `readInto` when the blob is complete. */
  stored: StoredBlob | undefined
  usedAt: number
}

/** Drives the seeder: opens what peers ask for, reads and sends the pieces it chose, closes what lies idle. */
export class SeederPort {
  readonly #deps: SeederPortDeps
  readonly #seeder: Seeder
  readonly #served = new Map<Digest, Served>()
  readonly #opening = new Map<Digest, Promise<Served | undefined>>()
  readonly #sends = new Map<string, AbortController>()
  readonly #tasks: TaskGroup
  readonly #shortage: Disposable
  #sweptAt = 0

  constructor(options: SeederOptions, deps: SeederPortDeps) {
    this.#deps = deps
    this.#tasks = new TaskGroup(deps.logger)
    this.#shortage = deps.store.onShortage(() => this.#giveWay())
    this.#seeder = new Seeder(options)
  }

  get queueLength(): number {
    return this.#seeder.queueLength
  }

  /** Serves a blob that is still arriving. */
  offer(transfer: Transfer): void {
    this.#serve(transfer.digest, {
      blob: transfer.blob,
      layout: transfer.layout,
      have: transfer.partial.have,
      readInto: (target, offset) => transfer.readInto(target, offset),
      stored: undefined,
      usedAt: this.#deps.clock.now(),
    })
  }

  /** The blob is complete: from now on it is read from the store. */
  async completed(digest: Digest): Promise<void> {
    const served = this.#served.get(digest)
    const stored = served === undefined ? undefined : await this.#deps.store.open(digest)
    if (stored === undefined) return
    if (served === undefined || this.#served.get(digest) !== served) return stored[Symbol.asyncDispose]()
    served.stored = stored
    served.readInto = (target, offset) => stored.readInto(target, offset)
  }

  /** Stops serving a blob; hosts that wait for it are told to look elsewhere. */
  withdraw(digest: Digest): void {
    const served = this.#served.get(digest)
    if (served === undefined) return
    this.#served.delete(digest)
    this.#run((out) => this.#seeder.removeBlob(served.blob, out))
    const { stored } = served
    if (stored === undefined) return
    void this.#tasks.run('closing a blob failed', async () => stored[Symbol.asyncDispose]())
  }

  /** More pieces of a blob can be served. */
  available(transfer: Transfer): void {
    this.#drive({ type: 'available', blob: transfer.blob })
  }

  /** What this host can serve of a blob; opens it if it is complete on disk. */
  async have(digest: Digest): Promise<ReadonlyBitfield | undefined> {
    return (await this.#find(digest))?.have
  }

  request(link: PeerLink, { id, blob, piece, background }: TransferMessage<'request'>): void {
    this.#ask(link, id, blob, (served, peer) => {
      return { type: 'request', peer, id, blob: served.blob, piece, background }
    })
  }

  want(link: PeerLink, { ids, blob, background, wanted: bits }: TransferMessage<'want'>): void {
    let wanted: ReadonlyBitfield | undefined
    for (const id of ids) {
      this.#ask(link, id, blob, (served, peer) => {
        wanted ??= Bitfield.fromBytes(served.layout.count, bits)
        return wanted === undefined ? undefined : { type: 'want', peer, id, blob: served.blob, wanted, background }
      })
    }
  }

  cancel(link: PeerLink, id: number): void {
    const peer = this.#deps.links.find(link)
    if (peer === undefined) return
    this.#sends.get(`${peer} ${id}`)?.abort()
    this.#drive({ type: 'cancel', peer, id })
  }

  unlinked(link: PeerLink): void {
    const peer = this.#deps.links.find(link)
    if (peer !== undefined) this.#drive({ type: 'peerGone', peer })
  }

  tick(): void {
    const now = this.#deps.clock.now()
    if (now - this.#sweptAt < SWEEP_EVERY_MS) return
    this.#sweptAt = now
    this.#withdrawIdle(IDLE_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#shortage[Symbol.dispose]()
    for (const send of this.#sends.values()) send.abort()
    for (const digest of [...this.#served.keys()]) this.withdraw(digest)
    await this.#tasks.settled()
  }

  /** Returns the blobs, whose closing has begun. */
  #withdrawIdle(idleMs: number): AsyncDisposable[] {
    const now = this.#deps.clock.now()
    const closing: AsyncDisposable[] = []
    for (const [digest, { stored, usedAt }] of this.#served) {
      if (stored === undefined || now - usedAt <= idleMs) continue
      this.withdraw(digest)
      closing.push(stored)
    }
    return closing
  }

  /** The store has no room: what nobody has asked for just now may be evicted. It is opened again when somebody does. */
  async #giveWay(): Promise<void> {
    await Promise.all(this.#withdrawIdle(IDLE_WHEN_SHORT_MS).map((stored) => stored[Symbol.asyncDispose]()))
  }

  #serve(digest: Digest, served: Served): void {
    this.withdraw(digest)
    this.#served.set(digest, served)
    this.#seeder.addBlob(served.blob, served.have)
  }

  #ask(
    link: PeerLink,
    id: number,
    digest: Digest,
    toEvent: (served: Served, peer: number) => SeederEvent | undefined,
  ): void {
    const refuse = (): void => link.send(transferMessages.busy, { id, queue: this.#seeder.queueLength })
    const accept = (served: Served | undefined): void => {
      const event = served === undefined ? undefined : toEvent(served, this.#deps.links.number(link))
      if (served === undefined || event === undefined) return refuse()
      served.usedAt = this.#deps.clock.now()
      this.#drive(event)
    }
    const served = this.#served.get(digest)
    if (served !== undefined) accept(served)
    else void this.#tasks.run('opening a blob for a peer failed', () => this.#find(digest).then(accept, refuse))
  }

  #find(digest: Digest): Promise<Served | undefined> {
    const served = this.#served.get(digest)
    if (served !== undefined) return Promise.resolve(served)
    const opening = this.#opening.get(digest) ?? this.#openStored(digest).finally(() => this.#opening.delete(digest))
    this.#opening.set(digest, opening)
    return opening
  }

  async #openStored(digest: Digest): Promise<Served | undefined> {
    // peers ask for what they like: the disk is looked at for what is here
    if (this.#deps.store.size(digest) === undefined || !(await this.#deps.archive.shareable(digest))) return undefined
    const stored = await this.#deps.store.open(digest)
    if (stored === undefined) return undefined
    const meanwhile = this.#served.get(digest)
    if (meanwhile !== undefined) {
      await stored[Symbol.asyncDispose]()
      return meanwhile
    }
    const layout = new PieceLayout(digest, stored.size)
    const served: Served = {
      blob: this.#deps.blobs.number(digest),
      layout,
      have: Bitfield.full(layout.count),
      readInto: (target, offset) => stored.readInto(target, offset),
      stored,
      usedAt: this.#deps.clock.now(),
    }
    this.#serve(digest, served)
    return served
  }

  #drive(event: SeederEvent): void {
    this.#run((out) => this.#seeder.on(event, out))
  }

  #run(decide: (out: SeederEffect[]) => void): void {
    const effects: SeederEffect[] = []
    decide(effects)
    for (const effect of effects) {
      if (effect.type === 'send') void this.#tasks.run('sending a piece failed', () => this.#send(effect))
      else this.#deps.links.key(effect.peer)?.send(transferMessages.busy, { id: effect.id, queue: effect.queue })
    }
  }

  async #send({ peer, id, blob, piece }: Extract<SeederEffect, { type: 'send' }>): Promise<void> {
    const link = this.#deps.links.key(peer)
    const digest = this.#deps.blobs.key(blob)
    const served = digest === undefined ? undefined : this.#served.get(digest)
    let ok = false
    if (link !== undefined && served !== undefined) {
      served.usedAt = this.#deps.clock.now()
      const abort = new AbortController()
      this.#sends.set(`${peer} ${id}`, abort)
      try {
        const { layout, readInto } = served
        const begun = { link, id, piece }
        const lent = await this.#inTime(begun, this.#deps.buffers.read(layout, piece, readInto))
        try {
          await this.#deps.upload.take(lent.bytes.length, abort.signal)
          const written = (): void => this.#drive({ type: 'written', peer, id })
          ok = await this.#inTime(begun, link.sendPiece(id, piece, lent.bytes, abort.signal, written))
          if (ok) this.#deps.metrics.sent(link, lent.bytes.length)
        } finally {
          lent.release()
        }
      } catch (error) {
        if (!abort.signal.aborted) this.#cannotRead(served, piece, error)
      } finally {
        this.#sends.delete(`${peer} ${id}`)
      }
      if (!ok) link.send(transferMessages.busy, { id, queue: this.#seeder.queueLength })
    }
    this.#drive({ type: 'sent', peer, id, ok })
  }

  /** Waits for the disk, or for the peer to take a piece; a peer that waits for it hears when it takes long. */
  async #inTime<T>({ link, id, piece }: Begun, work: Promise<T>): Promise<T> {
    using _late = this.#deps.clock.after(SAY_BEGUN_MS, () => {
      if (link.speaks(transferMessages.begun)) link.send(transferMessages.begun, { id, piece })
    })
    return await work
  }

  #cannotRead(served: Served, piece: number, error: unknown): void {
    const { digest } = served.layout
    this.#deps.logger.warn({ digest, piece, err: error }, 'cannot read a piece to send')
    // a complete blob that is damaged is none any more
    const isGone = isShoalError(error, 'STORE_CORRUPT') && served.stored !== undefined
    if (isGone && this.#served.get(digest) === served) this.withdraw(digest)
  }
}
