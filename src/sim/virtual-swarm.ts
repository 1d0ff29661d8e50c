import type { Rng } from '../base/rng.ts'
import { seededRng } from '../base/rng.ts'
import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import { setBits } from '../piece/bitfield.ts'
import type { LeecherEffect, LeecherEvent, PeerSetEvent, SeederEffect, SeederEvent } from '../scheduler/index.ts'
import { runsOf } from '../scheduler/index.ts'
import type { Bounds } from './bound.ts'
import { boundMs } from './bound.ts'
import type { Faults, SwarmOptions } from './swarm-options.ts'
import { NO_FAULTS } from './swarm-options.ts'
import type { SwarmReport } from './swarm-report.ts'
import { fleetBounds, reportOf } from './swarm-report.ts'
import { TraceHash } from './trace-hash.ts'
import { VirtualClock } from './virtual-clock.ts'
import { VirtualFleet } from './virtual-fleet.ts'
import type { Surroundings, VirtualBlob, VirtualHost } from './virtual-host.ts'
import type { Message } from './virtual-message.ts'
import { deliver } from './virtual-message.ts'
import type { Send, SendEvents } from './virtual-network.ts'
import { BLOCKS, VirtualNetwork } from './virtual-network.ts'
import { VirtualOrigin } from './virtual-origin.ts'

const ORIGIN_RANGES = 8
const FAILED_RANGE = { final: false, retryAfterMs: 0 }
/** A new connection takes this many trips: TCP, noise, the muxer, the streams. */
const DIAL_TRIPS = 6
/** A write that gets nowhere for this long fails by itself. */
const WRITE_TIMEOUT_MS = 30_000

/** A host asks the home of a blob to take part. */
interface Joining {
  readonly blob: number
  readonly has: ReadonlyBitfield
}

/**
 * Caches and leechers driven by the real state machines over virtual links in virtual time: who says what to whom is
 * what the daemon's transfer room does. Everything random comes from the seed: a run can be repeated.
 */
export class VirtualSwarm implements Surroundings, SendEvents {
  readonly #fleet: VirtualFleet
  readonly #options: SwarmOptions
  readonly clock = new VirtualClock()
  readonly #rng: Rng
  readonly #network: VirtualNetwork
  readonly #origin: VirtualOrigin
  readonly #trace = new TraceHash()
  readonly #blobs = new Map<number, VirtualBlob>()
  #peerPieces = 0
  #crossZonePieces = 0
  /** Whether somebody may just have become the last to end. */
  #changed = true

  constructor(options: SwarmOptions) {
    this.#options = options
    this.#rng = seededRng(options.seed)
    this.#network = new VirtualNetwork(this.clock, options, this.#rng, this)
    for (const blob of options.blobs) this.#blobs.set(blob.blob, blob)
    this.#fleet = new VirtualFleet(options, this.#rng, this, this.#network)
    const origin = this.hosts.length
    this.#network.addHost(origin, { up: options.originRate ?? 1, down: 1 })
    this.#origin = new VirtualOrigin(origin, this.#network, ({ to, range, ok }) =>
      this.hosts[to]!.toLeecher({ type: 'fetchEnded', range, failure: ok ? undefined : FAILED_RANGE }),
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
      this.clock.after(this.#rng.next() * this.#options.joinWithinMs, () => this.#enter(host))
    this.#scheduleLeaving()
    return this.resume(limitMs)
  }

  /** Goes on after something was changed from outside. */
  resume(limitMs: number): SwarmReport {
    this.#changed = true
    const finished = this.clock.run(() => this.#finished(), limitMs)
    const { messages } = this.#network
    const counts = { peerPieces: this.#peerPieces, crossZonePieces: this.#crossZonePieces, messages }
    const world = { finished, ...counts, events: this.clock.events, originBytes: this.#origin.bytes }
    return reportOf(this.#options, this.hosts, this.#bounds(), { ...world, traceHash: this.#trace.value })
  }

  get boundMs(): number {
    return boundMs(this.#bounds())
  }

  #bounds(): Bounds {
    return fleetBounds(this.#options, this.leechers, (id) => this.#fleet.rates[id]!)
  }

  /** Lets what is under way come to its end. */
  settle(ms: number): void {
    this.clock.run(() => false, this.clock.now() + ms)
  }

  toLeecher(from: VirtualHost, to: number, event: LeecherEvent): void {
    this.#message(from, to, event, this.#hearLeecher)
  }

  toSeeder(from: VirtualHost, to: number, event: SeederEvent): void {
    this.#message(from, to, event, this.#hearSeeder)
  }

  toPeers(from: VirtualHost, to: number, event: PeerSetEvent): void {
    const host = this.hosts[to]!
    if (event.type === 'have')
      return host.later(this.clock.now() + this.#network.messageMs(from.id, to), event, host.life)
    if (event.type === 'bits') link(from, host)
    this.#message<PeerSetEvent>(from, to, event, this.#hearPeer)
  }

  introduce(home: VirtualHost, to: number, blob: number, peers: readonly number[]): void {
    this.#message(home, to, { blob, peers }, this.#meet)
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
    const abortsAfterMs = aborted ? (5 * pieceBytes) / this.#options.hostRate : WRITE_TIMEOUT_MS
    if (stops < BLOCKS) this.clock.after(abortsAfterMs, () => this.#abort(from, send))
  }

  abortSend(from: VirtualHost, peer: number, id: number): void {
    const send = this.#network.find(from.id, peer, id)
    if (send !== undefined) this.#abort(from, send)
  }

  #abort(from: VirtualHost, send: Send): void {
    const { to: peer, id } = send
    if (!this.#network.abort(send)) return
    // the sending itself notices a moment later, as an awaited write does
    const { life } = from
    this.clock.after(0, () => {
      if (!from.up || from.life !== life) return
      this.toLeecher(from, peer, { type: 'failed', id, reason: 'busy', queue: from.queueLength })
      from.toSeeder({ type: 'sent', peer, id, ok: false })
    })
  }

  begins(send: Send, ms: number): void {
    const { from, to, toLife, id, piece } = send
    // what a range brings is known
    if (from === this.hosts.length) return
    // what a want brings is not, and others may be asked for the same
    if (this.hosts[from]!.spec.role === 'cache') this.clock.call(ms, this.#began, send)
    else this.hosts[to]!.later(this.clock.now() + ms, { type: 'began', id, piece }, toLife)
  }

  readonly #began = (send: Send): void => {
    const to = send.aborted ? undefined : this.#receiver(send)
    if (to?.expects(send.id) === true) to.toLeecher({ type: 'began', id: send.id, piece: send.piece })
  }

  progresses(send: Send, ms: number, bytes: number): void {
    const { from, to, toLife, id } = send
    if (from === this.hosts.length) this.clock.after(ms, () => this.#originProgress(send, bytes))
    else this.hosts[to]!.later(this.clock.now() + ms, { type: 'progress', id, bytes }, toLife)
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
    from.toSeeder({ type: 'sent', peer: to, id, ok: true })
  }

  fetch(host: VirtualHost, effect: Extract<LeecherEffect, { type: 'fetch' }>): void {
    const { blob, range, first } = effect
    const ok = this.#rng.next() >= this.#faultsNow().originFails
    const count = ok ? effect.count : this.#rng.below(effect.count)
    const { pieceBytes } = this.#blobs.get(blob)!
    const read = { to: host.id, life: host.life, range, blob, first, count, pieceBytes, ok }
    this.clock.after(this.#options.originLatencyMs, () => this.#origin.read(read))
  }

  cancelFetch(host: VirtualHost, range: number): void {
    this.#origin.cancel(host.id, range)
  }

  /** Asks the home again: another draw of neighbours each time. */
  findPeers(host: VirtualHost, blob: number): void {
    this.#join(host, blob)
  }

  stored(host: VirtualHost, blob: number, piece: number): void {
    this.#trace.add(this.clock.now(), blob * 65_536 + piece, host.id)
    this.#changed ||= host.complete
  }

  #finished(): boolean {
    if (!this.#changed) return false
    this.#changed = false
    return this.hosts.every((host) => host.spec.dead || (host.up && host.complete))
  }

  /** The home of its region; of a cache, the home above it. */
  #homeOf({ spec: { region, role } }: VirtualHost, blob: number): VirtualHost {
    return this.#fleet.homes[role === 'cache' ? this.#options.regions : region]!.get(blob)!
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
        if (cache.spec.region === core) cache.toLeecher({ type: 'originOpen', blob, ranges: ORIGIN_RANGES })
        else this.#join(cache, blob)
      }
    }
  }

  #enter(host: VirtualHost): void {
    this.#changed = true
    host.start()
    for (const { blob } of this.#options.blobs) if (!host.have.get(blob)!.complete) this.#join(host, blob)
  }

  #join(host: VirtualHost, blob: number): void {
    const joining: Joining = { blob, has: host.have.get(blob)!.copy() }
    this.#message(host, this.#homeOf(host, blob).id, joining, this.#joinHome)
  }

  /** A host enlists with its home, or a region's home with the home above it. */
  readonly #joinHome = ({ from: host, to: home, content: { blob, has } }: Message<Joining>): void => {
    link(host, home)
    const kind = host.spec.role === 'cache' ? 'parent' : 'home'
    this.toLeecher(home, host.id, { type: 'sourceJoined', source: home.id, blob, kind, distance: 0 })
    this.#welcome(home, host, blob)
    const member = { id: host.name, zone: host.zone }
    home.tracker.on({ type: 'joined', blob, peer: host.id, member, has })
  }

  /** All the hashes there are. */
  #welcome(home: VirtualHost, host: VirtualHost, blob: number): void {
    for (const { first, count } of runsOf([...setBits(home.have.get(blob)!)]))
      this.toLeecher(home, host.id, { type: 'hashesKnown', blob, first, count })
  }

  /** Dials the hosts that a home introduced. */
  readonly #meet = ({ to: host, content }: Message<{ blob: number; peers: readonly number[] }>): void => {
    const { life } = host
    for (const peer of content.peers) {
      const other = this.hosts[peer]!
      const trips = host.links.has(peer) ? 0 : DIAL_TRIPS
      this.clock.after(trips * this.#options.latencyMs, () => {
        if (!host.up || host.life !== life || !other.up) return
        host.toPeers({ type: 'met', blob: content.blob, peer, place: other })
      })
    }
  }

  #originProgress(send: Send, bytes: number): void {
    const { id: range } = send
    if (this.#origin.reads(send)) this.#receiver(send)?.toLeecher({ type: 'fetchProgress', range, bytes })
  }

  #originDone(send: Send): void {
    this.#originProgress(send, send.untold * send.blockBytes)
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
    if (leaveEveryMs === 0 || this.clock.now() > untilMs) return
    this.clock.after(2 * this.#rng.next() * leaveEveryMs, () => {
      const host = this.leechers[this.#rng.below(this.leechers.length)]!
      if (host.up) {
        this.#leave(host)
        this.clock.after(this.#rng.next() * awayMs, () => this.#enter(host))
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
    for (const other of met) {
      other.links.delete(host.id)
      if (!other.up) continue
      other.tracker.on({ type: 'gone', peer: host.id })
      other.toSeeder({ type: 'peerGone', peer: host.id })
      other.toPeers({ type: 'gone', peer: host.id })
    }
  }

  #message<T>(from: VirtualHost, toId: number, content: T, hear: (message: Message<T>) => void): void {
    const to = this.hosts[toId]!
    const message: Message<T> = { from, to, fromLife: from.life, toLife: to.life, content, hear }
    this.#network.message(from.id, toId, deliver, message)
  }

  readonly #hearLeecher = ({ to, content }: Message<LeecherEvent>): void => to.hear(content)

  readonly #hearPeer = ({ to, content }: Message<PeerSetEvent>): void => to.hearPeer(content)

  readonly #hearSeeder = ({ to, content }: Message<SeederEvent>): void => to.toSeeder(content)

  #faultsNow(): Faults {
    return this.clock.now() > this.#options.faults.untilMs ? NO_FAULTS : this.#options.faults
  }
}

function link(one: VirtualHost, other: VirtualHost): void {
  one.links.add(other.id)
  other.links.add(one.id)
}
