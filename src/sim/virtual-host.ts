import { Bitfield } from '../piece/bitfield.ts'
import type {
  LeecherEffect,
  LeecherEvent,
  LeecherOptions,
  PeerSetEvent,
  Place,
  SeederEffect,
  SeederEvent,
  SeederOptions,
} from '../scheduler/index.ts'
import { Leecher, mostOutstanding, placeHash, Seeder } from '../scheduler/index.ts'
import type { LaterEvent } from './inbox.ts'
import { Inbox } from './inbox.ts'
import { RequestAudit } from './request-audit.ts'
import type { VirtualClock } from './virtual-clock.ts'
import { VirtualPeerSet } from './virtual-peer-set.ts'
import { VirtualTracker } from './virtual-tracker.ts'

export interface VirtualBlob {
  readonly blob: number
  readonly pieces: number
  readonly pieceBytes: number
  readonly order: number
}

/** What a host can do to the world around it. */
export interface Surroundings {
  readonly clock: VirtualClock
  toLeecher(from: VirtualHost, to: number, event: LeecherEvent): void
  toSeeder(from: VirtualHost, to: number, event: SeederEvent): void
  toPeers(from: VirtualHost, to: number, event: PeerSetEvent): void
  /** A home tells a host whom it should meet. */
  introduce(home: VirtualHost, to: number, blob: number, peers: readonly number[]): void
  sendPiece(from: VirtualHost, effect: Extract<SeederEffect, { type: 'send' }>): void
  abortSend(from: VirtualHost, peer: number, id: number): void
  fetch(host: VirtualHost, effect: Extract<LeecherEffect, { type: 'fetch' }>): void
  cancelFetch(host: VirtualHost, range: number): void
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

/** One host: the real leecher, seeder, peer set and tracker, and a disk of bits. */
export class VirtualHost implements Place {
  readonly spec: HostSpec
  readonly name: string
  readonly zone: string
  readonly hash: number
  readonly have = new Map<number, Bitfield>()
  /** Hosts it is connected with. */
  readonly links = new Set<number>()
  /** Of the blobs that it is home of. */
  readonly tracker: VirtualTracker
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
  /** When this life began, and what it lacked then. */
  began = { atMs: 0, missingBytes: 0 }
  up = false
  /** Counts restarts: what is under way to an earlier life is lost. */
  life = 0
  #leecher: Leecher
  #seeder: Seeder
  #peers: VirtualPeerSet
  readonly #world: Surroundings
  readonly #leastPiece: number
  readonly #events: LeecherEvent[] = []
  readonly #effects: LeecherEffect[] = []
  /** Requests whose answer is still expected. */
  readonly #asked = new Set<number>()
  /** Pieces whose hashes are known, by blob; what comes before its hash waits for it. */
  readonly #hashes = new Map<number, Bitfield>()
  #unproven: Arrival[] = []
  #draining = false
  readonly #inbox = new Inbox()
  /** Whether all that it may ask for is under way. */
  #isFull = false
  /** When it looks into its inbox, whatever happens. */
  #looksAt = Number.POSITIVE_INFINITY

  constructor(spec: HostSpec, world: Surroundings) {
    this.spec = spec
    this.name = `host-${spec.id}`
    this.zone = `zone-${spec.zone}`
    this.hash = placeHash(this.name)
    this.#world = world
    this.#leastPiece = Math.min(...spec.blobs.map(({ pieceBytes }) => pieceBytes))
    this.#leecher = new Leecher(spec.leecher)
    this.#seeder = new Seeder(spec.seeder)
    this.#peers = new VirtualPeerSet(this, world)
    this.tracker = new VirtualTracker(this, world)
    if (spec.audited) this.audit = new RequestAudit(`host ${spec.id}`, spec.leecher, this.have, this.#leastPiece)
    for (const { blob, pieces } of spec.blobs) {
      this.have.set(blob, new Bitfield(pieces))
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
      this.#share(blob)
      const all = Array.from({ length: pieces }, (_, piece) => piece)
      this.toLeecher({ type: 'dropped', blob, pieces: all })
    }
  }

  /** Begins a life: knows nothing, and has what the disk has. */
  start(): void {
    this.up = true
    this.life++
    this.#leecher = new Leecher(this.spec.leecher)
    this.#seeder = new Seeder(this.spec.seeder)
    this.#peers = new VirtualPeerSet(this, this.#world)
    this.#asked.clear()
    this.audit?.reset()
    const { life } = this
    this.began = { atMs: this.#world.clock.now(), missingBytes: 0 }
    for (const { blob, pieces, pieceBytes, order } of this.spec.blobs) {
      const have = this.have.get(blob)!
      this.began.missingBytes += (pieces - have.count) * pieceBytes
      this.#seeder.addBlob(blob, have)
      const spec = { pieces, pieceBytes, have, order, window: undefined, swarm: this.spec.role === 'agent' }
      this.toLeecher({ type: 'blobAdded', blob, spec })
      if (!have.complete) this.#share(blob)
    }
    const tick = (): void => {
      if (!this.up || this.life !== life) return
      this.toLeecher({ type: 'tick' })
      this.#world.clock.call(TICK_MS, tick, undefined)
    }
    this.#world.clock.call(TICK_MS * (0.5 + (this.id % 7) / 14), tick, undefined)
  }

  stop(): void {
    this.up = false
    this.links.clear()
    this.#inbox.clear()
    this.#unproven = []
    for (const hashes of this.#hashes.values()) hashes.clearAll()
  }

  toPeers(event: PeerSetEvent): void {
    this.#peers.on(event)
  }

  /** A neighbour, or one who may become one, says something. */
  hearPeer(event: PeerSetEvent): void {
    this.#peers.hear(event)
  }

  /** News that is there at `at`, in the life that it is for. */
  later(at: number, event: LaterEvent, life: number): void {
    if (!this.up || life !== this.life) return
    this.#inbox.put(at, event)
    if (!this.#isFull) this.#lookBy(at)
  }

  #lookBy(at: number): void {
    if (at >= this.#looksAt) return
    this.#looksAt = at
    this.#world.clock.call(at - this.#world.clock.now(), this.#look, undefined)
  }

  readonly #look = (): void => {
    this.#looksAt = Number.POSITIVE_INFINITY
    if (!this.up) return
    this.#hearNews()
    if (!this.#isFull) this.#lookBy(this.#inbox.nextAt)
  }

  /** What has come until now is heard before anything else. */
  #hearNews(): void {
    for (const { at, event } of this.#inbox.take(this.#world.clock.now())) {
      if (event.type === 'have') this.#peers.on(event)
      else this.#feed(event, at)
    }
  }

  /** Feeds the leecher and carries out what follows, never one event within another. */
  toLeecher(event: LeecherEvent): void {
    if (!this.#draining) this.#hearNews()
    this.#feed(event, this.#world.clock.now())
  }

  #feed(event: LeecherEvent, now: number): void {
    this.#events.push(event)
    if (this.#draining) return
    this.#draining = true
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      if ((next.type === 'stored' || next.type === 'failed') && next.id !== undefined) this.#asked.delete(next.id)
      this.audit?.event(next)
      this.#leecher.on(next, now, this.#effects)
      for (const effect of this.#effects) this.#runLeecher(effect)
      this.#effects.length = 0
      this.audit?.check(this.#leecher.outstanding)
    }
    this.#draining = false
    this.#noteLoad()
  }

  #noteLoad(): void {
    const { outstanding, outstandingBytes } = this.#leecher
    const { maxOutstandingBytes, leastOutstanding } = this.spec.leecher
    this.counts.mostBytes = Math.max(this.counts.mostBytes, outstandingBytes)
    const isOver = outstandingBytes + this.#leastPiece > maxOutstandingBytes
    this.#isFull =
      outstanding >= mostOutstanding(this.spec.leecher, this.#leastPiece) || (isOver && outstanding >= leastOutstanding)
    if (!this.#isFull) this.#lookBy(this.#inbox.nextAt)
  }

  toSeeder(event: SeederEvent): void {
    const effects: SeederEffect[] = []
    if (event.type === 'cancel') this.#world.abortSend(this, event.peer, event.id)
    this.#seeder.on(event, effects)
    for (const effect of effects) this.#runSeeder(effect)
  }

  /** A message of a home. */
  hear(event: LeecherEvent): void {
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
    for (const machine of [this.#peers, this.tracker]) machine.on({ type: 'stored', blob, piece })
    if (this.have.get(blob)!.complete) this.#finish(blob)
  }

  /** Others may take part in fetching it. */
  #share(blob: number): void {
    this.#peers.on({ type: 'blobAdded', blob, have: this.have.get(blob)!, self: this })
  }

  /** It is whole: requests are served from the disk. */
  #finish(blob: number): void {
    for (const machine of [this.#peers, this.tracker]) machine.on({ type: 'flush', blob })
    this.#peers.on({ type: 'blobRemoved', blob, leaves: false })
    this.tracker.on({ type: 'stopped', blob })
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
        return this.#world.cancelFetch(this, effect.range)
      case 'findPeers':
        this.counts.findPeers++
        return this.#world.findPeers(this, effect.blob)
      case 'complete':
        this.completedAt.set(effect.blob, this.#world.clock.now())
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
