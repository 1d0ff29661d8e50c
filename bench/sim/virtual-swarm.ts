import type { Rng } from '../../src/base/rng.ts'
import { seededRng } from '../../src/base/rng.ts'
import type { LeecherEffect, LeecherEvent, SeederEffect, SeederEvent } from '../../src/scheduler/index.ts'
import { Batches, HASH_BATCH_MS, HASH_BATCH_PIECES, runsOf } from '../../src/transfer/batches.ts'
import type { Faults, SwarmOptions } from './swarm-options.ts'
import { NO_FAULTS } from './swarm-options.ts'
import type { SwarmReport } from './swarm-report.ts'
import { fleetBoundMs, reportOf } from './swarm-report.ts'
import { TraceHash } from './trace-hash.ts'
import { VirtualClock } from './virtual-clock.ts'
import type { VirtualDesk } from './virtual-desk.ts'
import { VirtualFleet } from './virtual-fleet.ts'
import type { Surroundings, VirtualBlob, VirtualHost } from './virtual-host.ts'
import type { Message } from './virtual-message.ts'
import { deliver } from './virtual-message.ts'
import { VirtualNeighbourhood } from './virtual-neighbourhood.ts'
import type { Send, SendEvents } from './virtual-network.ts'
import { BLOCKS, VirtualNetwork } from './virtual-network.ts'
import { VirtualOrigin } from './virtual-origin.ts'

const ORIGIN_LANES = 8
const FAILED_RANGE = { final: false, retryAfterMs: 0 }
/** A write that gets nowhere for so long fails by itself. */
const WRITE_TIMEOUT_MS = 30_000

/**
 * Caches and leechers driven by the real state machines over virtual links in virtual time: who says what to whom is
 * what the daemon's transfer room does. Everything random comes from the seed: a run can be repeated.
 */
export class VirtualSwarm implements Surroundings, SendEvents {
  readonly #fleet: VirtualFleet
  readonly #options: SwarmOptions
  readonly #clock = new VirtualClock()
  readonly #rng: Rng
  readonly #network: VirtualNetwork
  readonly #origin: VirtualOrigin
  readonly #neighbourhood: VirtualNeighbourhood
  readonly #trace = new TraceHash()
  readonly #hashes: Batches<VirtualDesk>
  readonly #blobs = new Map<number, VirtualBlob>()
  #peerPieces = 0
  #crossZonePieces = 0
  /** Whether somebody may just have become the last to end. */
  #changed = true

  constructor(options: SwarmOptions) {
    this.#options = options
    this.#rng = seededRng(options.seed)
    this.#network = new VirtualNetwork(this.#clock, options, this.#rng, this)
    this.#hashes = new Batches(this.#clock, HASH_BATCH_MS, HASH_BATCH_PIECES, this.#tellHashes)
    for (const blob of options.blobs) this.#blobs.set(blob.blob, blob)
    this.#fleet = new VirtualFleet(options, this.#rng, this, this.#network)
    this.#neighbourhood = new VirtualNeighbourhood(this.hosts, {
      message: (...args) => this.#message(...args),
      afterTrips: (trips, fn) => this.#clock.after(trips * options.latencyMs, fn),
    })
    const origin = this.hosts.length
    this.#network.addHost(origin, { up: options.originRate ?? 1, down: 1 })
    this.#origin = new VirtualOrigin(origin, this.#network, ({ to, lane, ok }) =>
      this.hosts[to]!.toLeecher({ type: 'fetchEnded', lane, failure: ok ? undefined : FAILED_RANGE }),
    )
  }

  get hosts(): readonly VirtualHost[] {
    return this.#fleet.hosts
  }

  get leechers(): readonly VirtualHost[] {
    return this.#fleet.leechers
  }

  /** Runs until every leecher has every piece, or until `limitMs`. */
  run(limitMs: number): SwarmReport {
    this.#openCaches()
    for (const host of this.leechers)
      this.#clock.after(this.#rng.next() * this.#options.joinWithinMs, () => this.#enter(host))
    this.#scheduleLeaving()
    return this.resume(limitMs)
  }

  /** Goes on after something was changed from outside. */
  resume(limitMs: number): SwarmReport {
    this.#changed = true
    const finished = this.#clock.run(() => this.#finished(), limitMs)
    const { messages } = this.#network
    const counts = { peerPieces: this.#peerPieces, crossZonePieces: this.#crossZonePieces, messages }
    const world = { finished, ...counts, events: this.#clock.events, originBytes: this.#origin.bytes }
    return reportOf(this.#options, this.hosts, this.boundMs, { ...world, traceHash: this.#trace.value })
  }

  get boundMs(): number {
    return fleetBoundMs(this.#options, this.leechers, (id) => this.#fleet.rates[id]!)
  }

  /** Lets what is under way come to its end. */
  settle(ms: number): void {
    this.#clock.run(() => false, this.now() + ms)
  }

  now(): number {
    return this.#clock.now()
  }

  wall(): number {
    return this.#clock.wall()
  }

  after(ms: number, fn: () => void): Disposable {
    return this.#clock.after(ms, fn)
  }

  call<T>(ms: number, handler: (subject: T) => void, subject: T): void {
    this.#clock.call(ms, handler, subject)
  }

  toLeecher(from: VirtualHost, to: number, event: LeecherEvent): void {
    this.#message(from, to, event, this.#hearLeecher)
  }

  toSeeder(from: VirtualHost, to: number, event: SeederEvent): void {
    this.#message(from, to, event, this.#hearSeeder)
  }

  /** The sender's link and the receiver's, with the faults that befall them. */
  sendPiece(from: VirtualHost, { peer, id, blob, piece }: Extract<SeederEffect, { type: 'send' }>): void {
    const to = this.hosts[peer]!
    const faults = this.#faultsNow()
    const luck = faults === NO_FAULTS ? 1 : this.#rng.next()
    const corrupt = luck < faults.corrupt
    const silent = !corrupt && luck < faults.corrupt + faults.silent
    const aborted = !corrupt && !silent && luck < faults.corrupt + faults.silent + faults.aborted
    const stops = silent || aborted ? 1 + this.#rng.below(2) : Number.POSITIVE_INFINITY
    const { pieceBytes } = this.#blobs.get(blob)!
    from.counts.sentBytes += pieceBytes
    if (from.spec.role === 'agent') {
      this.#peerPieces++
      if (from.zone !== to.zone) this.#crossZonePieces++
    }
    const what = { from: from.id, to: peer, id, blob, piece, blockBytes: pieceBytes / BLOCKS, corrupt }
    const silentAfter = from.spec.dead ? 0 : stops
    const send = this.#network.send({ ...what, silentAfter, fromLife: from.life, toLife: to.life })
    from.sends.set(sendKey(peer, id), send)
    const abortsAfterMs = aborted ? (5 * pieceBytes) / this.#options.hostRate : WRITE_TIMEOUT_MS
    if (stops < BLOCKS) this.#clock.after(abortsAfterMs, () => this.#abort(from, send))
  }

  abortSend(from: VirtualHost, peer: number, id: number): void {
    const send = from.sends.get(sendKey(peer, id))
    if (send !== undefined) this.#abort(from, send)
  }

  #abort(from: VirtualHost, send: Send): void {
    const { to: peer, id } = send
    if (!this.#network.abort(send)) return
    from.sends.delete(sendKey(peer, id))
    // the sending itself notices a moment later, as an awaited write does
    const { life } = from
    this.#clock.after(0, () => {
      if (!from.up || from.life !== life) return
      this.toLeecher(from, peer, { type: 'failed', id, reason: 'busy', queue: from.queueLength })
      from.toSeeder({ type: 'sent', peer, id, ok: false })
    })
  }

  began(send: Send): void {
    const to = this.#receiver(send)
    if (to?.expects(send.id)) to.toLeecher({ type: 'began', id: send.id, piece: send.piece })
  }

  progress(send: Send): void {
    if (send.from === this.hosts.length) return this.#originProgress(send)
    const to = this.#receiver(send)
    if (to?.expects(send.id)) to.toLeecher({ type: 'progress', id: send.id, bytes: send.blockBytes })
  }

  done(send: Send): void {
    const { id, blob, piece } = send
    if (send.from === this.hosts.length) return this.#originDone(send)
    const to = this.#receiver(send)
    if (to === undefined) return
    if (!to.expects(id)) to.counts.duplicates++
    else if (send.corrupt) to.toLeecher({ type: 'failed', id, reason: 'corrupt', queue: 0 })
    else to.came(blob, piece, id)
  }

  written({ from: fromId, to, id, fromLife }: Send): void {
    const from = this.hosts[fromId]
    if (from?.up === true && from.life === fromLife) from.toSeeder({ type: 'written', peer: to, id })
  }

  sent({ from: fromId, to, id, fromLife }: Send): void {
    const from = this.hosts[fromId]
    if (from === undefined || !from.up || from.life !== fromLife) return
    from.sends.delete(sendKey(to, id))
    from.toSeeder({ type: 'sent', peer: to, id, ok: true })
  }

  fetch(host: VirtualHost, effect: Extract<LeecherEffect, { type: 'fetch' }>): void {
    const { blob, lane, first } = effect
    const ok = this.#rng.next() >= this.#faultsNow().originFails
    const count = ok ? effect.count : this.#rng.below(effect.count)
    const { pieceBytes } = this.#blobs.get(blob)!
    const read = { to: host.id, life: host.life, lane, blob, first, count, pieceBytes, ok }
    this.#clock.after(this.#options.originLatencyMs, () => this.#origin.read(read))
  }

  cancelFetch(host: VirtualHost, lane: number): void {
    this.#origin.cancel(host.id, lane)
  }

  /** Asks the home again: another draw of neighbours each time. */
  findPeers(host: VirtualHost, blob: number): void {
    this.#message(host, this.#homeOf(host, blob).id, blob, this.#joinDesk)
  }

  stored(host: VirtualHost, blob: number, piece: number): void {
    this.#trace.add(this.now(), blob * 65_536 + piece, host.id)
    this.#changed ||= host.complete
    const desk = this.#fleet.desks.get(host)?.get(blob)
    if (desk !== undefined) this.#hashes.add(desk, piece)
  }

  readonly #tellHashes = ({ home, blob, audience }: VirtualDesk, pieces: number[]): void => {
    for (const { first, count } of runsOf(pieces)) {
      const event = { type: 'hashesKnown', blob, first, count } as const
      for (const member of audience) this.toLeecher(this.hosts[home]!, member, event)
    }
  }

  #finished(): boolean {
    if (!this.#changed) return false
    this.#changed = false
    return this.hosts.every((host) => host.spec.dead || (host.up && host.complete))
  }

  #homeOf(host: VirtualHost, blob: number): VirtualHost {
    return this.#fleet.homes[host.spec.region]!.get(blob)!
  }

  #openCaches(): void {
    const core = this.#options.regions > 1 ? this.#options.regions : 0
    const caches = this.hosts.filter(({ spec }) => spec.role === 'cache')
    const full = this.#options.originRate === undefined
    for (const cache of caches) {
      if (full) cache.fillDisk()
      cache.start()
    }
    if (full) return
    for (const cache of caches) {
      for (const { blob } of cache.spec.blobs) {
        if (cache.spec.region === core) cache.toLeecher({ type: 'originOpen', blob, lanes: ORIGIN_LANES })
        else this.#message(cache, this.#fleet.homes[core]!.get(blob)!.id, blob, this.#joinParent)
      }
    }
  }

  #enter(host: VirtualHost): void {
    this.#changed = true
    host.start()
    for (const { blob } of this.#options.blobs) this.#message(host, this.#homeOf(host, blob).id, blob, this.#joinDesk)
  }

  /** A region's home enlists with the home above it. */
  readonly #joinParent = ({ from: child, to: parent, content: blob }: Message<number>): void => {
    child.links.add(parent.id)
    parent.links.add(child.id)
    this.#fleet.desks.get(parent)!.get(blob)!.audience.add(child.id)
    this.toLeecher(parent, child.id, { type: 'sourceJoined', source: parent.id, blob, kind: 'parent', distance: 0 })
    this.#welcome(parent, child, blob)
  }

  readonly #joinDesk = ({ from: host, to: home, content: blob }: Message<number>): void => {
    host.links.add(home.id)
    home.links.add(host.id)
    const peers = this.#fleet.desks.get(home)!.get(blob)!.join(host)
    this.toLeecher(home, host.id, { type: 'sourceJoined', source: home.id, blob, kind: 'home', distance: 0 })
    this.#welcome(home, host, blob)
    this.#message(home, host.id, { blob, peers }, this.#neighbourhood.meet)
  }

  /** All the hashes there are. */
  #welcome(home: VirtualHost, host: VirtualHost, blob: number): void {
    const have = home.have.get(blob)!
    const pieces: number[] = []
    for (let piece = 0; piece < have.length; piece++) if (have.has(piece)) pieces.push(piece)
    for (const { first, count } of runsOf(pieces))
      this.toLeecher(home, host.id, { type: 'hashesKnown', blob, first, count })
  }

  #originProgress(send: Send): void {
    const { id: lane, blockBytes } = send
    if (this.#origin.reads(send)) this.#receiver(send)?.toLeecher({ type: 'fetchProgress', lane, bytes: blockBytes })
  }

  #originDone(send: Send): void {
    this.#originProgress(send)
    const host = this.#receiver(send)
    const wanted = this.#origin.came(send)
    if (host === undefined || !wanted) return
    if (!host.have.get(send.blob)!.has(send.piece)) host.arrived(send.blob, send.piece, undefined)
    this.#origin.next(send)
  }

  /** The host a send is for, if both ends still live the lives they had. */
  #receiver({ from: fromId, to: toId, fromLife, toLife }: Send): VirtualHost | undefined {
    const from = this.hosts[fromId]
    const to = this.hosts[toId]!
    const gone = from !== undefined && (!from.up || from.life !== fromLife)
    return gone || !to.up || to.life !== toLife ? undefined : to
  }

  #scheduleLeaving(): void {
    const { leaveEveryMs, untilMs, awayMs } = this.#options.faults
    if (leaveEveryMs === 0 || this.now() > untilMs) return
    this.#clock.after(2 * this.#rng.next() * leaveEveryMs, () => {
      const host = this.leechers[this.#rng.below(this.leechers.length)]!
      if (host.up) {
        this.#leave(host)
        this.#clock.after(this.#rng.next() * awayMs, () => this.#enter(host))
      }
      this.#scheduleLeaving()
    })
  }

  /** A host vanishes: everybody it had to do with notices the broken link. */
  #leave(host: VirtualHost): void {
    const met = [...host.links].map((id) => this.hosts[id]!)
    host.stop()
    this.#network.cut(
      host.id,
      met.map(({ id }) => id),
    )
    for (const { blob } of this.#options.blobs) this.#fleet.desks.get(this.#homeOf(host, blob))!.get(blob)!.leave(host)
    for (const other of met) {
      other.links.delete(host.id)
      for (const told of other.told.values()) told.delete(host.id)
      if (!other.up) continue
      other.toSeeder({ type: 'peerGone', peer: host.id })
      other.toLeecher({ type: 'sourceLeft', source: host.id, blob: undefined })
    }
  }

  #message<T>(from: VirtualHost, toId: number, content: T, hear: (message: Message<T>) => void): void {
    const to = this.hosts[toId]!
    const message: Message<T> = { from, to, fromLife: from.life, toLife: to.life, content, hear }
    this.#network.message(from.id, toId, deliver, message)
  }

  readonly #hearLeecher = ({ to, content }: Message<LeecherEvent>): void => to.hear(content)

  readonly #hearSeeder = ({ to, content }: Message<SeederEvent>): void => to.toSeeder(content)

  #faultsNow(): Faults {
    return this.now() > this.#options.faults.untilMs ? NO_FAULTS : this.#options.faults
  }
}

/** Request ids are 32 bits wide. */
function sendKey(peer: number, id: number): number {
  return peer * 2 ** 32 + id
}
