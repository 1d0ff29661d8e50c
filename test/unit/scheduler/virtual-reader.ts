import { ORIGIN_HEADERS_MS } from '../../../src/base/patience.ts'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import type { LeecherEffect } from '../../../src/scheduler/index.ts'
import { DEFAULT_LEECHER, Leecher } from '../../../src/scheduler/index.ts'

export const KIB = 1024
export const MIB = 1024 * KIB
export const PIECE = 256 * KIB
export const RANGE = DEFAULT_LEECHER.rangeBytes
/** Whoever is cut off waits a moment before asking again. */
export const RETRY_MS = 250
export const STEP_MS = 50
const DAY_MS = 86_400_000

/** What becomes of what is asked by one connection: it is answered, or never, or dies in place of an answer. */
export type Fate = 'serves' | 'hangs' | 'dies'

/** What one connection of an origin is like. Bytes per millisecond. */
export interface Connection {
  readonly fate: Fate
  readonly waitMs: number
  readonly rate: number
  /** After so many of every RANGE bytes it stops for `pauseMs`. */
  readonly pauseAfter: number
  readonly pauseMs: number
  /** It breaks off after so many bytes. */
  readonly cutAfter: number
  /** Its share of a link that is full, beside those of others. */
  readonly weight: number
}

export interface World {
  readonly pieces: number
  readonly ranges: number
  /** All connections together. */
  readonly link: number
  /** A limit that is paid before a question is put, in bytes per millisecond; 0 for none. */
  readonly limit: number
  /** The origin may be read only from then on: until then its tier is asked. */
  readonly openAtMs: number
  /** What the origin has sent already when one who reads goes away. */
  readonly underWay: number
  /** Whether somebody reads what comes from its beginning on: not so at a cache. */
  readonly isRead: boolean
  /** Taken in turn, again and again. */
  readonly connections: readonly Connection[]
}

interface Reading {
  readonly first: number
  readonly end: number
  readonly connection: Connection
  askedAt: number
  isAsked: boolean
  began: boolean
  at: number
  bytes: number
  pauses: number
  pausedAt: number
}

/** One blob read by the leecher's ranges; what a range has brought of a piece when it ends, the next goes on from. */
export class VirtualReader {
  readonly #world: World
  readonly #leecher: Leecher
  readonly #readings = new Map<number, Reading>()
  readonly #halves = new Map<number, number>()
  #effects: LeecherEffect[] = []
  #asked = 0
  #paidUntil = 0
  now = 0
  /** Bytes sent by the origin, and the most that there may have been more than once. */
  sent = 0
  completeAt: number | undefined
  /** When its asker was told that the origin fails. */
  failedAt: number | undefined
  readonly cursor = { piece: 0 }
  readonly have: Bitfield

  constructor(setting: World) {
    this.#world = setting
    this.have = new Bitfield(setting.pieces)
    this.#leecher = new Leecher(DEFAULT_LEECHER)
    const { pieces, ranges } = setting
    const spec = { pieces, pieceBytes: PIECE, have: new Bitfield(pieces), order: 0, window: undefined, swarm: false }
    this.#drive({ type: 'blobAdded', blob: 1, spec })
    if (setting.openAtMs === 0) this.#open(ranges)
  }

  /** As the daemon does: under a limit, what comes in a second. */
  #open(ranges: number): void {
    const { limit } = this.#world
    const rangeBytes = limit === 0 ? undefined : Math.max(PIECE, limit * 1_000)
    this.#drive({ type: 'originOpen', blob: 1, ranges, rangeBytes, mayGrow: limit === 0 })
  }

  /** Puts the questions that have been paid for, in their order. */
  #pay(): void {
    for (const [range, reading] of this.#readings) {
      if (reading.isAsked) continue
      if (this.#paidUntil > this.now) return
      const bytes = Math.min(reading.end - reading.at, Math.max(PIECE, this.#world.limit * 1_000))
      if (this.#world.limit > 0) this.#paidUntil = Math.max(this.now, this.#paidUntil) + bytes / this.#world.limit
      reading.isAsked = true
      reading.askedAt = this.now
      this.#drive({ type: 'fetchAsked', range })
    }
  }

  run(): void {
    const isOver = (): boolean => this.completeAt !== undefined || this.failedAt !== undefined
    for (; !isOver() && this.now < DAY_MS; this.now += STEP_MS) this.#step()
  }

  get requests(): number {
    return this.#asked
  }

  /** Of all times. */
  mostAtOnce = 0

  #step(): void {
    const { openAtMs, ranges } = this.#world
    if (openAtMs > 0 && this.now === Math.ceil(openAtMs / STEP_MS) * STEP_MS) this.#open(ranges)
    this.#pay()
    for (const [range, reading] of [...this.#readings]) this.#endIfBad(range, reading)
    const busy = [...this.#readings].filter(([, reading]) => this.#delivers(reading))
    const weights = busy.reduce((sum, [, reading]) => sum + reading.connection.weight, 0)
    for (const [range, reading] of busy) {
      if (!this.#readings.has(range)) continue
      const { connection: c } = reading
      const most = Math.min(c.rate, (this.#world.link * c.weight) / weights) * STEP_MS
      if (!reading.began) {
        reading.began = true
        this.#drive({ type: 'fetchBegan', range, whole: false })
      }
      this.#bring(range, reading, Math.floor(Math.min(most, reading.end - reading.at, c.cutAfter - reading.bytes)))
    }
    if (this.now % 100 === 0) this.#drive({ type: 'tick' })
  }

  /** As the daemon does: who does not begin to answer is given up, and who dies has failed. */
  #endIfBad(range: number, { connection: c, isAsked, askedAt }: Reading): void {
    if (!isAsked || c.fate === 'serves') return
    if (this.now - askedAt < (c.fate === 'hangs' ? ORIGIN_HEADERS_MS : c.waitMs)) return
    this.#end(range)
    this.#drive({ type: 'fetchEnded', range, failure: { final: false, retryAfterMs: 0 } })
  }

  #delivers(reading: Reading): boolean {
    if (!reading.isAsked || reading.connection.fate !== 'serves') return false
    const { connection: c, bytes } = reading
    const pauses = bytes >= c.pauseAfter ? 1 + Math.floor((bytes - c.pauseAfter) / RANGE) : 0
    if (pauses > reading.pauses) Object.assign(reading, { pauses, pausedAt: this.now })
    return this.now - reading.askedAt >= c.waitMs && this.now - reading.pausedAt >= c.pauseMs
  }

  #bring(range: number, reading: Reading, bytes: number): void {
    this.sent += bytes
    reading.bytes += bytes
    const end = reading.at + bytes
    while (Math.floor(end / PIECE) > Math.floor(reading.at / PIECE)) {
      const piece = Math.floor(reading.at / PIECE)
      reading.at = (piece + 1) * PIECE
      if (this.have.set(piece)) this.#drive({ type: 'stored', blob: 1, piece, id: undefined })
      while (this.have.has(this.cursor.piece)) this.cursor.piece++
      const cursor = Math.min(this.cursor.piece, this.#world.pieces - 1)
      if (this.#world.isRead) this.#drive({ type: 'cursor', blob: 1, piece: cursor })
      if (!this.#readings.has(range)) return
    }
    reading.at = end
    this.#drive({ type: 'fetchProgress', range, bytes })
    const isCut = reading.bytes >= reading.connection.cutAfter
    if (reading.at < reading.end && !isCut) return
    this.#end(range)
    const failure = reading.at < reading.end ? { final: false, retryAfterMs: 0 } : undefined
    this.#drive({ type: 'fetchEnded', range, failure })
  }

  /** What is under way of an answer is paid for, whoever reads it. */
  #leave(range: number): void {
    const reading = this.#readings.get(range)
    if (reading?.began === true) this.sent += Math.min(this.#world.underWay, reading.end - reading.at)
    this.#end(range)
  }

  #end(range: number): void {
    const reading = this.#readings.get(range)
    if (reading === undefined) return
    this.#readings.delete(range)
    const piece = Math.floor(reading.at / PIECE)
    const half = reading.at % PIECE
    if (half > 0 && !this.have.has(piece)) this.#halves.set(piece, Math.max(half, this.#halves.get(piece) ?? 0))
  }

  #drive(event: Parameters<Leecher['on']>[0]): void {
    this.#leecher.on(event, this.now, this.#effects)
    const effects = this.#effects
    this.#effects = []
    for (const effect of effects) this.#run(effect)
  }

  #run(effect: LeecherEffect): void {
    if (effect.type === 'complete') this.completeAt = this.now
    if (effect.type === 'originFailed') this.failedAt = this.now
    if (effect.type === 'cancelFetch') this.#leave(effect.range)
    if (effect.type !== 'fetch') return
    const { connections } = this.#world
    const at = effect.first * PIECE + (this.#halves.get(effect.first) ?? 0)
    this.#halves.delete(effect.first)
    const end = (effect.first + effect.count) * PIECE
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#readings.size + 1)
    const next = connections[this.#asked++ % connections.length]!
    this.#readings.set(effect.range, {
      first: effect.first,
      end,
      connection: next,
      askedAt: this.now,
      isAsked: false,
      began: false,
      at,
      bytes: 0,
      pauses: 0,
      pausedAt: Number.NEGATIVE_INFINITY,
    })
  }
}
