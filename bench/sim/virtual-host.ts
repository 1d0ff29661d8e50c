import type { Clock } from '../../src/base/clock.ts'
import { Bitfield } from '../../src/piece/bitfield.ts'
import type {
  LeecherEffect,
  LeecherEvent,
  LeecherOptions,
  Place,
  SeederEffect,
  SeederEvent,
  SeederOptions,
  SourceKind,
} from '../../src/scheduler/index.ts'
import { Leecher, placeHash, Seeder } from '../../src/scheduler/index.ts'
import { Batches, HAVE_BATCH_MS, HAVE_BATCH_PIECES } from '../../src/transfer/batches.ts'
import { RequestAudit } from './request-audit.ts'
import type { Send } from './virtual-network.ts'

export interface VirtualBlob {
  readonly blob: number
  readonly pieces: number
  readonly pieceBytes: number
  readonly order: number
}

/** What a host can do to the world around it. */
export interface Surroundings extends Clock {
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
interface Arrival {
  readonly blob: number
  readonly piece: number
  readonly id: number
}

/** One host: the real leecher and seeder, a disk of bits, and neighbours who are told what it has. */
export class VirtualHost implements Place {
  readonly spec: HostSpec
  readonly name: string
  readonly zone: string
  readonly hash: number
  readonly have = new Map<number, Bitfield>()
  /** Hosts it is connected with. */
  readonly links = new Set<number>()
  /** Sends whose end it does not know of, by `sendKey`. */
  readonly sends = new Map<number, Send>()
  /** By blob: who is told what this host has, and what is known of theirs. */
  readonly told = new Map<number, Map<number, Bitfield>>()
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
  readonly #haves: Batches<number>
  /** Pieces whose hashes are known, by blob; what comes before its hash waits for it. */
  readonly #hashes = new Map<number, Bitfield>()
  #unproven: Arrival[] = []
  #draining = false

  constructor(spec: HostSpec, world: Surroundings) {
    this.spec = spec
    this.name = `host-${spec.id}`
    this.zone = `zone-${spec.zone}`
    this.hash = placeHash(this.name)
    this.#world = world
    this.#leecher = new Leecher(spec.leecher)
    this.#seeder = new Seeder(spec.seeder)
    if (spec.audited) this.audit = new RequestAudit(`host ${spec.id}`, spec.leecher, this.have)
    this.#haves = new Batches(world, HAVE_BATCH_MS, HAVE_BATCH_PIECES, this.#tellHaves)
    for (const { blob, pieces } of spec.blobs) {
      this.have.set(blob, new Bitfield(pieces))
      this.told.set(blob, new Map())
      this.#hashes.set(blob, new Bitfield(pieces))
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
    for (const { blob } of this.spec.blobs) this.#haves.drop(blob)
    this.#unproven = []
    for (const hashes of this.#hashes.values()) hashes.clearAll()
  }

  join(source: number, blob: number, kind: SourceKind, distance: number): void {
    this.toLeecher({ type: 'sourceJoined', source, blob, kind, distance })
  }

  /** It is no neighbour any more. */
  part(blob: number, source: number): void {
    if (this.told.get(blob)!.delete(source)) this.toLeecher({ type: 'sourceLeft', source, blob })
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

  /** A message of a home or a neighbour. */
  hear(event: LeecherEvent): void {
    if (event.type === 'sourceHas') {
      const known = this.told.get(event.blob)!.get(event.source)
      for (const piece of event.pieces) known?.set(piece)
    }
    this.toLeecher(event)
    if (event.type === 'hashesKnown') this.#learnHashes(event.blob, event.first, event.count)
  }

  #learnHashes(blob: number, first: number, count: number): void {
    const hashes = this.#hashes.get(blob)!
    for (let piece = first; piece < first + count; piece++) hashes.set(piece)
    if (this.#unproven.length === 0) return
    const unproven = this.#unproven
    this.#unproven = []
    for (const { blob: of, piece, id } of unproven) this.came(of, piece, id)
  }

  /** All bytes of a piece a peer sent are here. */
  came(blob: number, piece: number, id: number): void {
    if (this.#hashes.get(blob)!.has(piece)) this.arrived(blob, piece, id)
    else this.#unproven.push({ blob, piece, id })
  }

  /** A piece is proven, by request `id` or from the origin. */
  arrived(blob: number, piece: number, id: number | undefined): void {
    const fresh = this.have.get(blob)!.set(piece)
    if (!fresh) this.counts.duplicates++
    if (fresh || id === undefined) this.toLeecher({ type: 'stored', blob, piece, id })
    else this.toLeecher({ type: 'failed', id, reason: 'lost', queue: 0 })
    if (!fresh) return
    this.toSeeder({ type: 'available', blob })
    this.#world.stored(this, blob, piece)
    if (this.told.get(blob)!.size > 0) this.#haves.add(blob, piece)
  }

  readonly #tellHaves = (blob: number, pieces: number[]): void => {
    const event = { type: 'sourceHas', source: this.id, blob, queue: this.queueLength } as const
    for (const [to, known] of this.told.get(blob)!) {
      const news = pieces.filter((piece) => !known.has(piece))
      if (news.length > 0) this.#world.toLeecher(this, to, { ...event, pieces: news })
    }
  }

  #runLeecher(effect: LeecherEffect): void {
    const { id: peer } = this
    this.audit?.effect(effect)
    switch (effect.type) {
      case 'request':
        this.#asked.add(effect.id)
        return this.#world.toSeeder(this, effect.source, { ...effect, type: 'request', peer })
      case 'want':
        this.counts.wants++
        for (const id of effect.ids) {
          this.#asked.add(id)
          const { blob, wanted, background } = effect
          this.#world.toSeeder(this, effect.source, { type: 'want', peer, id, blob, wanted, background })
        }
        return
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
