import assert from 'node:assert/strict'
import type { Rng } from '../../src/base/rng.ts'
import { seededRng } from '../../src/base/rng.ts'
import { Bitfield, setBits } from '../../src/piece/bitfield.ts'
import type { LeecherEffect, LeecherEvent, PeerSetEvent, SeederEffect, SeederEvent } from '../../src/scheduler/index.ts'
import { AGENT_SEEDER, CACHE_SEEDER, DEFAULT_LEECHER, placeHash, runsOf } from '../../src/scheduler/index.ts'
import { VirtualClock } from '../../src/sim/virtual-clock.ts'
import type { Surroundings } from '../../src/sim/virtual-host.ts'
import { VirtualHost } from '../../src/sim/virtual-host.ts'
import type { JumbledWorld } from './jumbled-world.ts'
import { LIES } from './jumbled-world.ts'

const BLOB = 1
const HOME = 0
/** There where the home does not stay. */
const STAND_IN = 1
const PIECE_BYTES = 256 * 1024
/** Links break and hosts restart within this time. */
const TROUBLE_MS = 20_000
/** Who has lost its home dials it again after this. */
const REJOIN_MS = 500
const ORIGIN_RANGES = 4
const CHANNELS = ['control', 'pieces'] as const
type Channel = (typeof CHANNELS)[number]

/**
 * Hosts with the daemon's own leechers, seeders, peer sets and trackers, among liars, over links that deliver in any order
 * that the transport allows, break and come back. It throws where an invariant is broken:
 *
 * - no host asks for what it has, for a piece twice outside the endgame, or for more than its limits (`RequestAudit`);
 * - nobody sends a piece that it does not have, or two for one request, or more at a time than its slots;
 * - no piece counts twice.
 *
 * A home that dies, or gives wrong bytes, leaves its hosts to its stand-in, and none of this changes.
 */
export class JumbledSwarm implements Surroundings {
  readonly #world: JumbledWorld
  readonly clock = new VirtualClock()
  readonly #rng: Rng
  readonly #hosts: VirtualHost[] = []
  /** When the last message of a channel comes. */
  readonly #lastAt = new Map<string, number>()
  /** Counts the links between two: what was said over an earlier one is lost. */
  readonly #epochs = new Map<string, number>()
  /** Requests that are being answered with a piece: by whom, to whom, which. */
  readonly #sends = new Set<string>()
  /** What each host has been told is stored, of this life. */
  readonly #counted = new Map<number, Set<number>>()
  readonly #ranges = new Set<string>()
  readonly #caches: number
  /** Hosts that have found their home out. */
  readonly #left = new Set<number>()
  #isHomeDead = false
  /** What is still to go wrong. */
  #trouble = 0

  constructor(world: JumbledWorld) {
    this.#world = world
    this.#rng = seededRng(world.seed)
    const blobs = [{ blob: BLOB, pieces: world.pieces, pieceBytes: PIECE_BYTES, order: 0 }]
    this.#caches = world.home === 'stays' ? 1 : 2
    for (let id = 0; id < this.#caches + world.hosts; id++) {
      const role = id < this.#caches ? 'cache' : 'agent'
      const seeder = id < this.#caches ? CACHE_SEEDER : AGENT_SEEDER
      const common = {
        id,
        leecher: DEFAULT_LEECHER,
        seeder,
        blobs,
        region: 0,
        zone: id % 2,
        dead: false,
        audited: true,
      }
      this.#hosts.push(new VirtualHost(Object.assign({ role } as const, common), this))
    }
  }

  /** Runs until every honest host has every piece, or until `limitMs`; the hosts that have not. */
  run(limitMs: number): readonly VirtualHost[] {
    const home = this.#hosts[HOME]!
    const isFull = this.#world.isHomeFull || this.#world.home === 'lies'
    if (isFull) home.fillDisk()
    home.start()
    if (!isFull) home.toLeecher({ type: 'originOpen', blob: BLOB, ranges: ORIGIN_RANGES })
    for (const host of this.#agents) this.clock.call(this.#some(3_000), (one) => this.#enter(one), host)
    for (let i = 0; i < this.#world.cuts; i++) this.#later(() => this.#cutAny())
    for (let i = 0; i < this.#world.restarts; i++) this.#later(() => this.#restartAny())
    if (this.#world.home === 'dies') this.#later(() => this.#endHome())
    const all = this.#world.home === 'stays' ? this.#hosts : this.#agents
    this.clock.run(() => this.#trouble === 0 && all.every((host) => host.up && host.complete), limitMs)
    return all.filter((host) => !host.complete)
  }

  /** Lets what is under way come to its end, after which nothing may be. */
  settle(ms: number): void {
    this.clock.run(() => false, this.clock.now() + ms)
    for (const host of this.#hosts.filter(({ up }) => up)) {
      assert.equal(host.outstanding, 0, `${host.name} still waits for pieces that it has`)
      assert.equal(host.queueLength, 0, `${host.name} keeps a request of somebody who has everything`)
    }
  }

  /** Some time while trouble lasts. */
  #later(happens: () => void): void {
    this.#trouble++
    this.clock.after(this.#some(TROUBLE_MS), () => {
      this.#trouble--
      happens()
    })
  }

  get #agents(): readonly VirtualHost[] {
    return this.#hosts.slice(this.#caches)
  }

  toLeecher(from: VirtualHost, to: number, event: LeecherEvent): void {
    this.#say('control', from.id, to, (host) => host.hear(event))
  }

  toSeeder(from: VirtualHost, to: number, event: SeederEvent): void {
    if (this.#isLiar(to)) return this.#askLiar(from, to, event)
    if (to === HOME && this.#world.home === 'lies') return this.#askLyingHome(from, event)
    this.#say('control', from.id, to, (host) => {
      host.toSeeder(event)
      this.#checkSeeder(host)
    })
  }

  toPeers(from: VirtualHost, to: number, event: PeerSetEvent): void {
    if (this.#isLiar(to)) return
    if (event.type === 'bits') this.#link(from.id, to)
    this.#say('control', from.id, to, (host) => host.hearPeer(event))
  }

  introduce(home: VirtualHost, to: number, blob: number, peers: readonly number[]): void {
    // liars are members as any other
    const liars = this.#world.liars.map((_, i) => this.#hosts.length + i)
    this.#say('control', home.id, to, (host) => {
      for (const peer of [...peers, ...liars]) this.#meet(host, peer, blob)
    })
  }

  sendPiece(from: VirtualHost, effect: Extract<SeederEffect, { type: 'send' }>): void {
    const { peer, id, blob, piece } = effect
    assert.ok(from.have.get(blob)?.has(piece), `${from.name} sends piece ${piece}, which it does not have`)
    const key = sendKey(from, peer, id)
    assert.ok(!this.#sends.has(key), `${from.name} answers request ${id} of host ${peer} twice`)
    this.#sends.add(key)
    const { life } = from
    const noticed = (type: 'written' | 'sent') => (): void => {
      if (!from.up || from.life !== life) return
      if (type === 'sent' && !this.#sends.delete(key)) return
      from.toSeeder(type === 'sent' ? { type, peer, id, ok: true } : { type, peer, id })
      this.#checkSeeder(from)
    }
    this.clock.after(this.#some(this.#world.delayMs), noticed('written'))
    this.#say('pieces', from.id, peer, (to) => {
      if (to.expects(id)) to.toLeecher({ type: 'began', id, piece })
    })
    this.#say('pieces', from.id, peer, (to) => {
      if (to.expects(id)) to.came(blob, piece, id)
      this.clock.after(this.#some(this.#world.delayMs), noticed('sent'))
    })
  }

  /** What is cancelled may have left already. */
  abortSend(from: VirtualHost, peer: number, id: number): void {
    if (this.#rng.next() < 0.5 || !this.#sends.delete(sendKey(from, peer, id))) return
    const { life } = from
    this.clock.after(0, () => {
      if (!from.up || from.life !== life) return
      this.toLeecher(from, peer, { type: 'failed', id, reason: 'busy', queue: from.queueLength })
      from.toSeeder({ type: 'sent', peer, id, ok: false })
    })
  }

  /** The origin brings all of a range, or breaks off somewhere. */
  fetch(host: VirtualHost, { range, blob, first, count }: Extract<LeecherEffect, { type: 'fetch' }>): void {
    const key = `${host.id} ${host.life} ${range}`
    this.#ranges.add(key)
    const isWhole = this.#rng.next() < 0.7
    const sent = isWhole ? count : this.#rng.below(count)
    let at = 0
    const later = (then: () => void): void => {
      at += this.#some(this.#world.delayMs)
      this.clock.after(at, () => {
        if (this.#ranges.has(key)) then()
      })
    }
    later(() => host.toLeecher({ type: 'fetchBegan', range, whole: false }))
    for (let piece = first; piece < first + sent; piece++) later(() => host.arrived(blob, piece, undefined))
    later(() => {
      this.#ranges.delete(key)
      host.toLeecher({ type: 'fetchEnded', range, failure: isWhole ? undefined : { final: false, retryAfterMs: 0 } })
    })
  }

  cancelFetch(host: VirtualHost, range: number): void {
    this.#ranges.delete(`${host.id} ${host.life} ${range}`)
  }

  findPeers(host: VirtualHost): void {
    this.#join(host)
  }

  stored(host: VirtualHost, _blob: number, piece: number): void {
    const counted = this.#counted.get(host.id) ?? new Set()
    this.#counted.set(host.id, counted)
    assert.ok(!counted.has(piece), `${host.name} counts piece ${piece} twice`)
    counted.add(piece)
  }

  #some(ms: number): number {
    return this.#rng.next() * ms
  }

  #isLiar(id: number): boolean {
    return id >= this.#hosts.length
  }

  #enter(host: VirtualHost): void {
    host.start()
    if (!host.complete) this.#join(host)
  }

  /** A host takes part: its home is a source, and introduces it. */
  #join(host: VirtualHost): void {
    const home = this.#homeOf(host)
    this.#link(host.id, home.id)
    const has = host.have.get(BLOB)!.copy()
    this.#say('control', host.id, home.id, () => {
      this.toLeecher(home, host.id, { type: 'sourceJoined', source: home.id, blob: BLOB, kind: 'home', distance: 0 })
      for (const { first, count } of runsOf([...setBits(home.have.get(BLOB)!)]))
        this.toLeecher(home, host.id, { type: 'hashesKnown', blob: BLOB, first, count })
      const member = { id: host.name, zone: host.zone }
      home.tracker.on({ type: 'joined', blob: BLOB, peer: host.id, member, has })
    })
  }

  #homeOf(host: VirtualHost): VirtualHost {
    return this.#hosts[this.#isHomeDead || this.#left.has(host.id) ? STAND_IN : HOME]!
  }

  #endHome(): void {
    const home = this.#hosts[HOME]!
    const met = [...home.links]
    home.stop()
    this.#isHomeDead = true
    this.#takeOver()
    for (const other of met) this.#cut(HOME, other)
  }

  #takeOver(): void {
    const standIn = this.#hosts[STAND_IN]!
    if (standIn.up) return
    standIn.start()
    standIn.toLeecher({ type: 'originOpen', blob: BLOB, ranges: ORIGIN_RANGES })
  }

  /** A host that gets wrong bytes of its home asks the next in rank from then on. */
  #askLyingHome(host: VirtualHost, event: SeederEvent): void {
    if (event.type !== 'request' && event.type !== 'want') return
    this.#say('control', HOME, host.id, (to) => {
      if (!to.expects(event.id)) return
      to.toLeecher({ type: 'failed', id: event.id, reason: 'corrupt', queue: 0 })
      this.#left.add(to.id)
      this.#takeOver()
      this.#cut(to.id, HOME)
    })
  }

  #meet(host: VirtualHost, peer: number, blob: number): void {
    if (peer === host.id) return
    const { life } = host
    this.clock.after(this.#some(this.#world.delayMs), () => {
      if (!host.up || host.life !== life) return
      if (this.#isLiar(peer)) return this.#meetLiar(host, peer, blob)
      const other = this.#hosts[peer]!
      if (!other.up) return
      this.#link(host.id, peer)
      host.toPeers({ type: 'met', blob, peer, place: other })
    })
  }

  /** It has everything, and nobody before it in its queue. */
  #meetLiar(host: VirtualHost, peer: number, blob: number): void {
    const place = { zone: host.zone, hash: placeHash(`liar-${peer}`) }
    const bits = Bitfield.full(this.#world.pieces)
    this.#link(host.id, peer)
    host.toPeers({ type: 'met', blob, peer, place })
    host.hearPeer({ type: 'bits', blob, peer, place, bits, queue: 0 })
  }

  #askLiar(host: VirtualHost, peer: number, event: SeederEvent): void {
    if (event.type !== 'request') return
    const { id, piece, blob } = event
    const told = this.#world.liars[peer - this.#hosts.length]!
    const lie = told === 'any' ? LIES[this.#rng.below(LIES.length - 1)]! : told
    if (lie === 'silent') return
    this.#say('control', peer, host.id, (to) => {
      if (!to.expects(id)) return
      if (lie === 'busy') return to.toLeecher({ type: 'failed', id, reason: 'busy', queue: this.#rng.below(1_000) })
      to.toLeecher({ type: 'began', id, piece })
      to.toLeecher({ type: 'progress', id, bytes: PIECE_BYTES / 2 })
      if (lie === 'half a piece') return
      // its hash is known, or nobody would ask a peer: it is found out
      to.toLeecher({ type: 'failed', id, reason: 'corrupt', queue: 0 })
      to.toPeers({ type: 'lied', blob, peer })
    })
  }

  /** Delivered after what was said before over the same channel, if link and both lives are still the same. */
  #say(channel: Channel, from: number, toId: number, hear: (to: VirtualHost) => void): void {
    const to = this.#hosts[toId]
    if (to === undefined) return
    const key = `${channel} ${from} ${toId}`
    const at = Math.max(this.#lastAt.get(key) ?? 0, this.clock.now() + this.#some(this.#world.delayMs))
    this.#lastAt.set(key, at)
    const epoch = this.#epoch(from, toId)
    const lives = [this.#hosts[from]?.life, to.life]
    this.clock.after(at - this.clock.now(), () => {
      const isSame = this.#epoch(from, toId) === epoch && this.#hosts[from]?.life === lives[0] && to.life === lives[1]
      if (isSame && to.up && this.#hosts[from]?.up !== false) hear(to)
    })
  }

  #epoch(a: number, b: number): number {
    return this.#epochs.get(pairKey(a, b)) ?? 0
  }

  #link(a: number, b: number): void {
    this.#hosts[a]?.links.add(b)
    this.#hosts[b]?.links.add(a)
  }

  #cutAny(): void {
    const host = this.#agents[this.#rng.below(this.#agents.length)]!
    const others = [...host.links]
    if (others.length > 0) this.#cut(host.id, others[this.#rng.below(others.length)]!)
  }

  /** What is under way is lost, and both ends notice. */
  #cut(a: number, b: number): void {
    this.#epochs.set(pairKey(a, b), this.#epoch(a, b) + 1)
    for (const [id, peer] of [
      [a, b],
      [b, a],
    ] as const) {
      const host = this.#hosts[id]
      if (host === undefined) continue
      host.links.delete(peer)
      for (const key of [...this.#sends]) if (key.startsWith(`${id} ${host.life} ${peer} `)) this.#sends.delete(key)
      if (!host.up) continue
      host.tracker.on({ type: 'gone', peer })
      host.toSeeder({ type: 'peerGone', peer })
      host.toPeers({ type: 'gone', peer })
      host.toLeecher({ type: 'sourceLeft', source: peer, blob: undefined })
      const { life } = host
      if (peer < this.#caches) {
        this.clock.after(REJOIN_MS, () => {
          if (host.up && host.life === life && !host.complete) this.#join(host)
        })
      }
    }
  }

  #restartAny(): void {
    const host = this.#agents[this.#rng.below(this.#agents.length)]!
    if (!host.up) return
    const met = [...host.links]
    host.stop()
    this.#left.delete(host.id)
    for (const other of met) this.#cut(host.id, other)
    this.clock.call(this.#some(2_000), (one) => this.#enter(one), host)
  }

  #checkSeeder(host: VirtualHost): void {
    const { slots, underWay, queue } = host.spec.seeder
    assert.ok(host.sending <= Math.max(slots, underWay), `${host.name} sends ${host.sending} pieces at a time`)
    // while a slot is free what cannot be served yet waits outside of the queue
    assert.ok(host.queueLength <= queue + slots, `${host.name} has ${host.queueLength} requests waiting`)
  }
}

function sendKey(from: VirtualHost, peer: number, id: number): string {
  return `${from.id} ${from.life} ${peer} ${id}`
}

function pairKey(a: number, b: number): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}
