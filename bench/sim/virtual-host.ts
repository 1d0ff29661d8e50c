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
import type { Send } from './virtual-network.ts'

export interface VirtualBlob {
  readonly blob: number
  readonly pieces: number
  readonly pieceBytes: number
  readonly order: number
}

/** What a host can do to the world around it. */
export interface Surroundings {
  now(): number
  call<T>(ms: number, handler: (subject: T) => void, subject: T): void
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
  readonly role: 'agent' | 'cache'
  readonly region: number
  readonly zone: number
  /** Takes requests and never answers them. */
  readonly dead: boolean
  /** Whether a watcher checks every event and effect. */
  readonly audited: boolean
}

const TICK_MS = 100
/** Haves are told together: after this long, or when so many have gathered. As the daemon does. */
const HAVE_MS = 4
const HAVE_MOST = 2

interface Untold {
  readonly host: VirtualHost
  readonly life: number
  readonly blob: number
  readonly pieces: number[]
}

/** One host: the real leecher and seeder, a disk of bits, and neighbours who are told what it has. */
export class VirtualHost {
  readonly spec: HostSpec
  readonly have = new Map<number, Bitfield>()
  /** Hosts it is connected with. */
  readonly links = new Set<number>()
  /** Sends it has not handed over to its kernel, by `sendKey`. */
  readonly sends = new Map<number, Send>()
  /** Who is told what this host has, by blob. */
  readonly told = new Map<number, Set<number>>()
  readonly audit: RequestAudit | undefined
  readonly completedAt = new Map<number, number>()
  readonly counts = {
    duplicates: 0,
    sentBytes: 0,
    busy: 0,
    findPeers: 0,
    stalled: 0,
    originFailed: 0,
    wants: 0,
    mostBytes: 0,
  }
  up = false
  /** Counts restarts: what is under way to an earlier life is lost. */
  life = 0
  #leecher: Leecher
  #seeder: Seeder
  readonly #world: Surroundings
  readonly #events: LeecherEvent[] = []
  readonly #effects: LeecherEffect[] = []
  /** Requests whose answer is still expected. */
  readonly #asked = new Set<number>()
  readonly #untold = new Map<number, Untold>()
  #draining = false

  constructor(spec: HostSpec, world: Surroundings) {
    this.spec = spec
    this.#world = world
    this.#leecher = new Leecher(spec.leecher)
    this.#seeder = new Seeder(spec.seeder)
    if (spec.audited) this.audit = new RequestAudit(`host ${spec.id}`, spec.leecher, this.have)
    for (const { blob, pieces } of spec.blobs) {
      this.have.set(blob, new Bitfield(pieces))
      this.told.set(blob, new Set())
    }
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

  /** Whether the leecher still waits for what `id` asked for. */
  expects(id: number): boolean {
    return this.#asked.has(id)
  }

  /** Has everything from the start. */
  fillDisk(): void {
    for (const { blob, pieces } of this.spec.blobs) this.have.set(blob, Bitfield.full(pieces))
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
    this.#asked.clear()
    this.audit?.reset()
    const { life } = this
    for (const { blob, pieces, pieceBytes, order } of this.spec.blobs) {
      const have = this.have.get(blob)!
      this.#seeder.addBlob(blob, have)
      const spec = { pieces, pieceBytes, have, order, window: undefined, swarm: this.spec.role === 'agent' }
      this.toLeecher({ type: 'blobAdded', blob, spec })
    }
    const tick = (): void => {
      if (!this.up || this.life !== life) return
      this.toLeecher({ type: 'tick' })
      this.#world.call(TICK_MS, tick, undefined)
    }
    this.#world.call(TICK_MS * (0.5 + (this.id % 7) / 14), tick, undefined)
  }

  stop(): void {
    this.up = false
    this.links.clear()
    this.sends.clear()
    for (const told of this.told.values()) told.clear()
    this.#untold.clear()
  }

  join(source: number, blob: number, kind: SourceKind, distance: number): void {
    this.toLeecher({ type: 'sourceJoined', source, blob, kind, distance })
  }

  /** Feeds the leecher and carries out what follows, never one event within another. */
  toLeecher(event: LeecherEvent): void {
    this.#events.push(event)
    if (this.#draining) return
    this.#draining = true
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      if ((next.type === 'stored' || next.type === 'failed') && next.id !== undefined) this.#asked.delete(next.id)
      this.audit?.event(next)
      this.#leecher.on(next, this.#world.now(), this.#effects)
      for (const effect of this.#effects) this.#runLeecher(effect)
      this.#effects.length = 0
      this.audit?.check(this.#leecher.outstanding)
    }
    this.counts.mostBytes = Math.max(this.counts.mostBytes, this.#leecher.outstandingBytes)
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
    if (this.told.get(blob)!.size > 0) this.#tell(blob, piece)
  }

  #tell(blob: number, piece: number): void {
    let untold = this.#untold.get(blob)
    if (untold === undefined) {
      untold = { host: this, life: this.life, blob, pieces: [] }
      this.#untold.set(blob, untold)
      this.#world.call(HAVE_MS, flush, untold)
    }
    untold.pieces.push(piece)
    if (untold.pieces.length >= HAVE_MOST) this.flush(untold)
  }

  /** Tells what has gathered, unless that has been done. */
  flush(untold: Untold): void {
    const { blob, pieces } = untold
    if (this.#untold.get(blob) !== untold) return
    this.#untold.delete(blob)
    const event = { type: 'sourceHas', source: this.id, blob, pieces, queue: this.queueLength } as const
    for (const to of this.told.get(blob)!) this.#world.toLeecher(this, to, event)
  }

  #runLeecher(effect: LeecherEffect): void {
    const { id: peer } = this
    this.audit?.effect(effect)
    switch (effect.type) {
      case 'request':
        this.#asked.add(effect.id)
        return this.#world.toSeeder(this, effect.source, { ...effect, type: 'request', peer })
      case 'want':
        this.#asked.add(effect.id)
        this.counts.wants++
        return this.#world.toSeeder(this, effect.source, { ...effect, type: 'want', peer })
      case 'cancel':
        this.#asked.delete(effect.id)
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
      this.#world.sendPiece(this, effect)
      return
    }
    this.counts.busy++
    const { id, queue } = effect
    this.#world.toLeecher(this, effect.peer, { type: 'failed', id, reason: 'busy', queue })
  }
}

const flush = (untold: Untold): void => {
  if (untold.host.life === untold.life) untold.host.flush(untold)
}
