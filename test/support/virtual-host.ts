import { Bitfield } from '../../src/piece/bitfield.ts'
import type {
  LeecherEffect,
  LeecherEvent,
  LeecherOptions,
  SeederEffect,
  SeederEvent,
  SeederOptions,
  SourceKind,
} from '../../src/scheduler/index.ts'
import { Leecher, Seeder } from '../../src/scheduler/index.ts'
import { RequestAudit } from './request-audit.ts'

export interface VirtualBlob {
  readonly blob: number
  readonly pieces: number
  readonly order: number
}

/** What a host can do to the world around it. */
export interface Surroundings {
  now(): number
  after(ms: number, fn: () => void): Disposable
  toLeecher(from: VirtualHost, to: number, event: LeecherEvent): void
  toSeeder(from: VirtualHost, to: number, event: SeederEvent): void
  sendPiece(from: VirtualHost, effect: Extract<SeederEffect, { type: 'send' }>): void
  abortSend(from: VirtualHost, peer: number, id: number): void
  fetch(host: VirtualHost, effect: Extract<LeecherEffect, { type: 'fetch' }>): void
  cancelFetch(host: VirtualHost, lane: number): void
  findPeers(host: VirtualHost, blob: number): void
  /** A piece is new at this host. */
  stored(host: VirtualHost, blob: number, piece: number): void
}

export interface HostSpec {
  readonly id: number
  readonly leecher: LeecherOptions
  readonly seeder: SeederOptions
  readonly blobs: readonly VirtualBlob[]
  readonly isHome: boolean
}

const TICK_MS = 100
/** Haves are told together: after this long, or when so many have gathered. */
const HAVE_MS = 10
const HAVE_MOST = 8

/** One host: the real leecher and seeder, a disk of bits, and neighbours who are told what it has. */
export class VirtualHost {
  readonly spec: HostSpec
  readonly have = new Map<number, Bitfield>()
  /** Neighbours this host is connected with: they are told what it has. */
  readonly links = new Set<number>()
  readonly audit: RequestAudit
  readonly completedAt = new Map<number, number>()
  readonly counts = { duplicates: 0, sent: 0, busy: 0, findPeers: 0, stalled: 0, originFailed: 0 }
  up = false
  /** Counts restarts: what is under way to an earlier life is lost. */
  life = 0
  #leecher: Leecher
  #seeder: Seeder
  readonly #world: Surroundings
  readonly #events: LeecherEvent[] = []
  readonly #untold = new Map<number, number[]>()
  #draining = false

  constructor(spec: HostSpec, world: Surroundings) {
    this.spec = spec
    this.#world = world
    this.#leecher = new Leecher(spec.leecher)
    this.#seeder = new Seeder(spec.seeder)
    this.audit = new RequestAudit(`host ${spec.id}`, spec.leecher, this.have)
    for (const { blob, pieces } of spec.blobs) this.have.set(blob, new Bitfield(pieces))
  }

  get id(): number {
    return this.spec.id
  }

  get complete(): boolean {
    for (const have of this.have.values()) if (!have.complete) return false
    return true
  }

  get outstanding(): number {
    return this.#leecher.outstanding
  }

  get queueLength(): number {
    return this.#seeder.queueLength
  }

  get sending(): number {
    return this.#seeder.sending
  }

  /** The disk turns out bad: every piece must be fetched again, and the neighbours know nothing of it. */
  loseEverything(): void {
    for (const { blob, pieces } of this.spec.blobs) {
      this.have.get(blob)!.clearAll()
      const all = Array.from({ length: pieces }, (_, piece) => piece)
      this.toLeecher({ type: 'dropped', blob, pieces: all })
    }
  }

  /** Begins a life: empty books, and what the disk has. */
  start(): void {
    this.up = true
    this.life++
    this.#leecher = new Leecher(this.spec.leecher)
    this.#seeder = new Seeder(this.spec.seeder)
    this.audit.reset()
    const { life } = this
    for (const { blob, pieces, order } of this.spec.blobs) {
      const have = this.have.get(blob)!
      this.#seeder.addBlob(blob, have)
      const spec = { pieces, pieceBytes: 1, have, order, window: undefined, swarm: !this.spec.isHome }
      this.toLeecher({ type: 'blobAdded', blob, spec })
    }
    const tick = (): void => {
      if (!this.up || this.life !== life) return
      this.toLeecher({ type: 'tick' })
      this.#world.after(TICK_MS, tick)
    }
    this.#world.after(TICK_MS * (0.5 + (this.id % 7) / 14), tick)
  }

  stop(): void {
    this.up = false
    this.links.clear()
    this.#untold.clear()
  }

  join(source: number, blob: number, kind: SourceKind): void {
    this.toLeecher({ type: 'sourceJoined', source, blob, kind, distance: 0 })
  }

  /** Feeds the leecher and carries out what follows, never one event within another. */
  toLeecher(event: LeecherEvent): void {
    this.#events.push(event)
    if (this.#draining) return
    this.#draining = true
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      this.audit.event(next)
      const effects: LeecherEffect[] = []
      this.#leecher.on(next, this.#world.now(), effects)
      for (const effect of effects) this.#runLeecher(effect)
      this.audit.check(this.#leecher.outstanding)
    }
    this.#draining = false
  }

  toSeeder(event: SeederEvent): void {
    const effects: SeederEffect[] = []
    if (event.type === 'cancel') this.#world.abortSend(this, event.peer, event.id)
    this.#seeder.on(event, effects)
    for (const effect of effects) this.#runSeeder(effect)
  }

  /** All bytes of a piece are here, by request `id` or from the origin. */
  arrived(blob: number, piece: number, id: number | undefined): void {
    const fresh = this.have.get(blob)!.set(piece)
    if (!fresh) this.counts.duplicates++
    if (fresh || id === undefined) this.toLeecher({ type: 'stored', blob, piece, id })
    else this.toLeecher({ type: 'failed', id, reason: 'lost', queue: 0 })
    if (!fresh) return
    this.toSeeder({ type: 'available', blob })
    this.#world.stored(this, blob, piece)
    this.#tell(blob, piece)
  }

  #tell(blob: number, piece: number): void {
    const untold = this.#untold.get(blob) ?? []
    untold.push(piece)
    this.#untold.set(blob, untold)
    if (untold.length >= HAVE_MOST) this.#flush(blob, untold)
    else if (untold.length === 1) this.#world.after(HAVE_MS, () => this.#flush(blob, untold))
  }

  #flush(blob: number, pieces: readonly number[]): void {
    if (this.#untold.get(blob) !== pieces) return
    this.#untold.delete(blob)
    for (const to of this.links) {
      this.#world.toLeecher(this, to, { type: 'sourceHas', source: this.id, blob, pieces, queue: this.queueLength })
    }
  }

  #runLeecher(effect: LeecherEffect): void {
    const { id: peer } = this
    this.audit.effect(effect)
    switch (effect.type) {
      case 'request':
        return this.#world.toSeeder(this, effect.source, { ...effect, type: 'request', peer })
      case 'want':
        return this.#world.toSeeder(this, effect.source, { ...effect, type: 'want', peer })
      case 'cancel':
        return this.#world.toSeeder(this, effect.source, { type: 'cancel', peer, id: effect.id })
      case 'fetch':
        return this.#world.fetch(this, effect)
      case 'cancelFetch':
        return this.#world.cancelFetch(this, effect.lane)
      case 'findPeers':
        this.counts.findPeers++
        return this.#world.findPeers(this, effect.blob)
      case 'complete':
        this.completedAt.set(effect.blob, this.#world.now())
        return
      case 'stalled':
        this.counts.stalled++
        return
      case 'originFailed':
        this.counts.originFailed++
    }
  }

  #runSeeder(effect: SeederEffect): void {
    if (effect.type === 'send') {
      this.counts.sent++
      this.#world.sendPiece(this, effect)
      return
    }
    this.counts.busy++
    const { id, queue } = effect
    this.#world.toLeecher(this, effect.peer, { type: 'failed', id, reason: 'busy', queue })
  }
}
