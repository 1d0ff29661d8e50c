import type { Rng } from '../../src/base/rng.ts'
import { seededRng } from '../../src/base/rng.ts'
import type { LeecherEvent, LeecherOptions, SeederEffect, SeederOptions } from '../../src/scheduler/index.ts'
import { AGENT_SEEDER, CACHE_SEEDER, DEFAULT_LEECHER, SwarmMembers } from '../../src/scheduler/index.ts'
import { VirtualClock } from './virtual-clock.ts'
import type { Surroundings, VirtualBlob } from './virtual-host.ts'
import { VirtualHost } from './virtual-host.ts'
import type { Send } from './virtual-network.ts'
import { VirtualNetwork } from './virtual-network.ts'

export interface SwarmOptions {
  readonly seed: number
  /** Leechers, beside the one home. */
  readonly hosts: number
  readonly blobs: readonly VirtualBlob[]
  /** Milliseconds a piece occupies a leecher's uplink, and its downlink. */
  readonly pieceMs: number
  /** How many times a leecher's rate the home's is. */
  readonly homeRate: number
  readonly latencyMs: number
  readonly jitterMs: number
  readonly windowBlocks: number
  /** Leechers come at random times within this span. */
  readonly joinWithinMs: number
  /** The home starts empty and reads an origin that gives a piece per lane in this time; undefined: it has all. */
  readonly originPieceMs: number | undefined
  readonly faults: Faults
  readonly leecher: LeecherOptions
  readonly seeder: SeederOptions
  readonly homeSeeder: SeederOptions
}

/** Chances per piece sent (or origin range read), and how often a host breaks down and comes back. */
export interface Faults {
  readonly corrupt: number
  /** The bytes stop coming and nobody says so. */
  readonly silent: number
  /** The sender gives up midway and says so. */
  readonly aborted: number
  readonly originFails: number
  /** Mean time between two leechers leaving; 0 = never. */
  readonly leaveEveryMs: number
  readonly awayMs: number
  /** Nothing breaks any more after this. */
  readonly untilMs: number
}

export const NO_FAULTS: Faults = {
  corrupt: 0,
  silent: 0,
  aborted: 0,
  originFails: 0,
  leaveEveryMs: 0,
  awayMs: 0,
  untilMs: 0,
}

/** 1 MiB pieces over 1 Gb/s, and a data centre's latency. */
export const GIGABIT: SwarmOptions = {
  seed: 1,
  hosts: 16,
  blobs: [{ blob: 1, pieces: 256, order: 0 }],
  pieceMs: 8.4,
  homeRate: 1,
  latencyMs: 0.3,
  jitterMs: 0.2,
  windowBlocks: 4,
  joinWithinMs: 5,
  originPieceMs: undefined,
  faults: NO_FAULTS,
  leecher: DEFAULT_LEECHER,
  seeder: AGENT_SEEDER,
  homeSeeder: CACHE_SEEDER,
}

export interface SwarmReport {
  readonly finished: boolean
  readonly hosts: number
  readonly makespanMs: number
  /** Of the fluid limit max(F/source, F/downlink, N F / sum of uplinks), for a home that has everything. */
  readonly boundMs: number
  readonly ratio: number
  /** Pieces that arrived where they already were. */
  readonly duplicates: number
  /** Copies of the whole content the home sent. */
  readonly homeCopies: number
  readonly endgameRequests: number
  readonly wants: number
  readonly busy: number
  readonly messages: number
}

const HOME = 0

/**
 * One home and its leechers, driven by the real state machines over virtual links in virtual time. Everything
 * random comes from the seed: a run can be repeated. Throws when a leecher breaks its promises.
 */
export class VirtualSwarm implements Surroundings {
  readonly hosts: VirtualHost[] = []
  readonly #options: SwarmOptions
  readonly #clock = new VirtualClock()
  readonly #rng: Rng
  readonly #network: VirtualNetwork
  readonly #members = new SwarmMembers()
  readonly #joins = new Map<number, number>()
  readonly #sends = new Map<string, Send>()
  readonly #lanes = new Map<string, Disposable>()

  constructor(options: SwarmOptions) {
    this.#options = options
    this.#rng = seededRng(options.seed)
    this.#network = new VirtualNetwork(this.#clock, options, this.#rng)
    for (let id = HOME; id <= options.hosts; id++) {
      const isHome = id === HOME
      const ms = isHome ? options.pieceMs / options.homeRate : options.pieceMs
      this.#network.addHost(id, { upMs: ms, downMs: ms })
      const seeder = isHome ? options.homeSeeder : options.seeder
      this.hosts.push(new VirtualHost({ id, leecher: options.leecher, seeder, blobs: options.blobs, isHome }, this))
    }
  }

  get home(): VirtualHost {
    return this.hosts[HOME]!
  }

  get leechers(): readonly VirtualHost[] {
    return this.hosts.slice(1)
  }

  /** Runs until every host has every piece, or until `limitMs`. */
  run(limitMs: number): SwarmReport {
    this.#openHome()
    for (const host of this.leechers) this.after(this.#rng.next() * this.#options.joinWithinMs, () => this.#enter(host))
    this.#scheduleLeaving()
    return this.resume(limitMs)
  }

  /** Goes on after something was changed from outside. */
  resume(limitMs: number): SwarmReport {
    const finished = this.#clock.run(() => this.hosts.every((host) => host.up && host.complete), limitMs)
    return this.#report(finished)
  }

  /** Lets what is under way come to its end. */
  settle(ms: number): void {
    this.#clock.run(() => false, this.now() + ms)
  }

  now(): number {
    return this.#clock.now()
  }

  after(ms: number, fn: () => void): Disposable {
    return this.#clock.after(ms, fn)
  }

  toLeecher(from: VirtualHost, to: number, event: LeecherEvent): void {
    this.#between(from, to, (host) => host.toLeecher(event))
  }

  toSeeder(from: VirtualHost, to: number, event: Parameters<VirtualHost['toSeeder']>[0]): void {
    this.#between(from, to, (host) => host.toSeeder(event))
  }

  /** The sender's link and the receiver's, with the faults that befall them. */
  sendPiece(from: VirtualHost, { peer, id, blob, piece }: Extract<SeederEffect, { type: 'send' }>): void {
    const to = this.hosts[peer]!
    const lives = { from: from.life, to: to.life }
    const current = (): boolean => from.up && to.up && from.life === lives.from && to.life === lives.to
    const key = sendKey(from.id, peer, id)
    const faults = this.#faultsNow()
    const luck = this.#rng.next()
    const corrupt = luck < faults.corrupt
    const silent = !corrupt && luck < faults.corrupt + faults.silent
    const aborted = !corrupt && !silent && luck < faults.corrupt + faults.silent + faults.aborted
    const stopAfter = silent || aborted ? this.#rng.below(3) : Number.POSITIVE_INFINITY
    const expects = (): boolean => current() && to.audit.isOpen(id)
    const send = this.#network.send(
      from.id,
      peer,
      {
        began: () => expects() && to.toLeecher({ type: 'began', id, piece }),
        progress: () => expects() && to.toLeecher({ type: 'progress', id }),
        done: () => {
          this.#sends.delete(key)
          if (!current()) return
          if (corrupt) to.toLeecher({ type: 'failed', id, reason: 'corrupt', queue: 0 })
          else if (to.audit.isOpen(id)) to.arrived(blob, piece, id)
          else to.counts.duplicates++
        },
        sent: () => current() && from.toSeeder({ type: 'sent', peer, id, ok: true }),
      },
      stopAfter,
    )
    this.#sends.set(key, send)
    if (aborted) this.after(5 * this.#options.pieceMs, () => this.abortSend(from, peer, id))
  }

  abortSend(from: VirtualHost, peer: number, id: number): void {
    const key = sendKey(from.id, peer, id)
    const send = this.#sends.get(key)
    if (send === undefined) return
    this.#sends.delete(key)
    this.#network.abort(send)
    // the sending itself notices a moment later, as an awaited write does
    const { life } = from
    this.after(0, () => {
      if (!from.up || from.life !== life) return
      this.toLeecher(from, peer, { type: 'failed', id, reason: 'busy', queue: from.queueLength })
      from.toSeeder({ type: 'sent', peer, id, ok: false })
    })
  }

  fetch(host: VirtualHost, effect: { blob: number; lane: number; first: number; count: number }): void {
    const { blob, lane, first, count } = effect
    const fails = this.#rng.next() < this.#faultsNow().originFails
    const until = first + (fails ? this.#rng.below(count) : count)
    const key = `${host.id} ${lane}`
    const step = (piece: number): void => {
      const wait = this.#options.originPieceMs! * (0.5 + this.#rng.next())
      const next = (): void => {
        if (piece >= until) {
          this.#lanes.delete(key)
          host.toLeecher({ type: 'fetchEnded', lane, ok: !fails })
          return
        }
        if (!host.have.get(blob)!.has(piece)) host.arrived(blob, piece, undefined)
        if (this.#lanes.has(key)) step(piece + 1)
      }
      this.#lanes.set(key, this.after(wait, next))
    }
    step(first)
  }

  cancelFetch(host: VirtualHost, lane: number): void {
    const key = `${host.id} ${lane}`
    this.#lanes.get(key)?.[Symbol.dispose]()
    this.#lanes.delete(key)
  }

  /** Asks the home again: another draw of neighbours each time. */
  findPeers(host: VirtualHost): void {
    this.#between(host, HOME, () => this.#introduce(host))
  }

  stored(host: VirtualHost, blob: number, piece: number): void {
    if (host.id !== HOME) return
    for (const to of this.leechers) {
      if (to.up) this.toLeecher(host, to.id, { type: 'hashesKnown', blob, first: piece, count: 1 })
    }
  }

  #openHome(): void {
    const { blobs, originPieceMs } = this.#options
    if (originPieceMs === undefined) {
      for (const { blob, pieces } of blobs) {
        for (let piece = 0; piece < pieces; piece++) this.home.have.get(blob)!.set(piece)
      }
    }
    this.home.start()
    if (originPieceMs === undefined) return
    for (const { blob } of blobs) this.home.toLeecher({ type: 'originOpen', blob, lanes: 4 })
  }

  #enter(host: VirtualHost): void {
    host.start()
    this.#members.add({ id: `host-${host.id}`, zone: null })
    this.#between(host, HOME, () => {
      this.#between(this.home, host.id, () => this.#joinHome(host))
    })
  }

  #joinHome(host: VirtualHost): void {
    for (const { blob, pieces } of this.#options.blobs) {
      host.join(HOME, blob, 'home')
      const { home } = this
      for (let first = 0; first < pieces; first++) {
        if (home.have.get(blob)!.has(first)) host.toLeecher({ type: 'hashesKnown', blob, first, count: 1 })
      }
    }
    this.#introduce(host)
  }

  #introduce(host: VirtualHost): void {
    const draw = this.#joins.get(host.id) ?? 0
    this.#joins.set(host.id, draw + 1)
    for (const key of this.#members.neighboursOf(`host-${host.id}`, undefined, draw)) {
      const other = this.hosts[Number(key.slice('host-'.length))]!
      if (!other.links.has(host.id)) this.#between(host, other.id, () => this.#connect(host, other))
    }
  }

  #connect(a: VirtualHost, b: VirtualHost): void {
    if (a.links.has(b.id)) return
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      one.links.add(other.id)
      for (const { blob } of this.#options.blobs) {
        one.join(other.id, blob, 'peer')
        const bits = other.have.get(blob)!
        one.toLeecher({ type: 'sourceBits', source: other.id, blob, bits, queue: other.queueLength })
      }
    }
  }

  #scheduleLeaving(): void {
    const { leaveEveryMs, untilMs, awayMs } = this.#options.faults
    if (leaveEveryMs === 0 || this.now() > untilMs) return
    this.after(2 * this.#rng.next() * leaveEveryMs, () => {
      const host = this.leechers[this.#rng.below(this.leechers.length)]!
      if (host.up) {
        this.#leave(host)
        this.after(this.#rng.next() * awayMs, () => this.#enter(host))
      }
      this.#scheduleLeaving()
    })
  }

  /** A host vanishes: everybody it had to do with notices the broken link. */
  #leave(host: VirtualHost): void {
    const met = [HOME, ...host.links].map((id) => this.hosts[id]!)
    host.stop()
    this.#members.remove(`host-${host.id}`)
    for (const [key, send] of [...this.#sends]) {
      if (send.from !== host.id && send.to !== host.id) continue
      this.#sends.delete(key)
      this.#network.abort(send)
    }
    for (const other of met) {
      other.links.delete(host.id)
      if (!other.up) continue
      other.toSeeder({ type: 'peerGone', peer: host.id })
      other.toLeecher({ type: 'sourceLeft', source: host.id, blob: undefined })
    }
  }

  /** Delivers from one host to another unless either has gone meanwhile. */
  #between(from: VirtualHost, toId: number, deliver: (to: VirtualHost) => void): void {
    const to = this.hosts[toId]!
    const lives = { from: from.life, to: to.life }
    this.#network.message(from.id, toId, () => {
      if (from.up && to.up && from.life === lives.from && to.life === lives.to) deliver(to)
    })
  }

  #faultsNow(): Faults {
    return this.now() > this.#options.faults.untilMs ? NO_FAULTS : this.#options.faults
  }

  #report(finished: boolean): SwarmReport {
    const { blobs, hosts, pieceMs, homeRate } = this.#options
    const pieces = blobs.reduce((sum, blob) => sum + blob.pieces, 0)
    const boundMs = pieces * pieceMs * Math.max(1, 1 / homeRate, hosts / (homeRate + hosts))
    const makespanMs = Math.max(0, ...this.leechers.flatMap((host) => [...host.completedAt.values()]))
    const sum = (of: (host: VirtualHost) => number): number => this.leechers.reduce((total, h) => total + of(h), 0)
    return {
      finished,
      hosts,
      makespanMs,
      boundMs,
      ratio: makespanMs / boundMs,
      duplicates: sum((host) => host.counts.duplicates),
      homeCopies: this.home.counts.sent / pieces,
      endgameRequests: sum((host) => host.audit.endgameRequests),
      wants: sum((host) => host.audit.wants),
      busy: this.hosts.reduce((total, host) => total + host.counts.busy, 0),
      messages: this.#network.messages,
    }
  }
}

function sendKey(from: number, to: number, id: number): string {
  return `${from} ${to} ${id}`
}
