import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import type { LeecherEffect } from '../../../src/scheduler/index.ts'
import { DEFAULT_LEECHER, Leecher } from '../../../src/scheduler/index.ts'

const KIB = 1024
const MIB = 1024 * KIB
const PIECE = 256 * KIB
const LANE = DEFAULT_LEECHER.laneBytes
/** Whoever is cut off waits a moment before asking again. */
const RETRY_MS = 250
const STEP_MS = 50
const DAY_MS = 86_400_000

/** What one connection of an origin is like. Bytes per millisecond. */
interface Connection {
  readonly waitMs: number
  readonly rate: number
  /** After so many of every LANE bytes it stops for `pauseMs`. */
  readonly pauseAfter: number
  readonly pauseMs: number
  /** It breaks off after so many bytes. */
  readonly cutAfter: number
}

interface World {
  readonly pieces: number
  readonly lanes: number
  /** All connections together. */
  readonly link: number
  /** Taken in turn, again and again. */
  readonly connections: readonly Connection[]
}

interface Reading {
  readonly first: number
  readonly end: number
  readonly connection: Connection
  readonly askedAt: number
  began: boolean
  at: number
  bytes: number
  pauses: number
  pausedAt: number
}

const connection: fc.Arbitrary<Connection> = fc.record({
  waitMs: fc.integer({ min: 0, max: 12_000 }),
  rate: fc.integer({ min: 20, max: 20_000 }),
  pauseAfter: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: MIB, max: LANE })),
  pauseMs: fc.integer({ min: 0, max: 14_000 }),
  cutAfter: fc.oneof(
    { weight: 4, arbitrary: fc.constant(Number.POSITIVE_INFINITY) },
    { weight: 1, arbitrary: fc.integer({ min: 64 * KIB, max: 8 * MIB }) },
  ),
})

const world: fc.Arbitrary<World> = fc.record({
  pieces: fc.integer({ min: 2, max: 300 }),
  lanes: fc.integer({ min: 1, max: 6 }),
  link: fc.integer({ min: 50, max: 50_000 }),
  connections: fc.array(connection, { minLength: 1, maxLength: 12 }),
})

/** One blob read by the leecher's lanes; what a lane has brought of a piece when it ends, the next goes on from. */
class VirtualReader {
  readonly #world: World
  readonly #leecher: Leecher
  readonly #readings = new Map<number, Reading>()
  readonly #halves = new Map<number, number>()
  #effects: LeecherEffect[] = []
  #asked = 0
  now = 0
  /** Bytes sent by the origin, and the most that there may have been more than once. */
  sent = 0
  completeAt: number | undefined
  readonly cursor = { piece: 0 }
  readonly have: Bitfield

  constructor(setting: World) {
    this.#world = setting
    this.have = new Bitfield(setting.pieces)
    this.#leecher = new Leecher(DEFAULT_LEECHER)
    const { pieces, lanes } = setting
    const spec = { pieces, pieceBytes: PIECE, have: new Bitfield(pieces), order: 0, window: undefined, swarm: false }
    this.#drive({ type: 'blobAdded', blob: 1, spec })
    this.#drive({ type: 'originOpen', blob: 1, lanes })
  }

  run(): void {
    for (; this.completeAt === undefined && this.now < DAY_MS; this.now += STEP_MS) this.#step()
  }

  get requests(): number {
    return this.#asked
  }

  #step(): void {
    const busy = [...this.#readings].filter(([, reading]) => this.#delivers(reading))
    for (const [lane, reading] of busy) {
      if (!this.#readings.has(lane)) continue
      const { connection: c } = reading
      const most = Math.min(c.rate, this.#world.link / busy.length) * STEP_MS
      if (!reading.began) {
        reading.began = true
        this.#drive({ type: 'fetchBegan', lane, whole: false })
      }
      this.#bring(lane, reading, Math.floor(Math.min(most, reading.end - reading.at, c.cutAfter - reading.bytes)))
    }
    if (this.now % 100 === 0) this.#drive({ type: 'tick' })
  }

  #delivers(reading: Reading): boolean {
    const { connection: c, bytes } = reading
    const pauses = bytes >= c.pauseAfter ? 1 + Math.floor((bytes - c.pauseAfter) / LANE) : 0
    if (pauses > reading.pauses) Object.assign(reading, { pauses, pausedAt: this.now })
    return this.now - reading.askedAt >= c.waitMs && this.now - reading.pausedAt >= c.pauseMs
  }

  #bring(lane: number, reading: Reading, bytes: number): void {
    this.sent += bytes
    reading.bytes += bytes
    const end = reading.at + bytes
    while (Math.floor(end / PIECE) > Math.floor(reading.at / PIECE)) {
      const piece = Math.floor(reading.at / PIECE)
      reading.at = (piece + 1) * PIECE
      if (this.have.set(piece)) this.#drive({ type: 'stored', blob: 1, piece, id: undefined })
      while (this.have.has(this.cursor.piece)) this.cursor.piece++
      this.#drive({ type: 'cursor', blob: 1, piece: Math.min(this.cursor.piece, this.#world.pieces - 1) })
      if (!this.#readings.has(lane)) return
    }
    reading.at = end
    this.#drive({ type: 'fetchProgress', lane, bytes })
    const isCut = reading.bytes >= reading.connection.cutAfter
    if (reading.at < reading.end && !isCut) return
    this.#end(lane)
    const failure = reading.at < reading.end ? { final: false, retryAfterMs: 0 } : undefined
    this.#drive({ type: 'fetchEnded', lane, failure })
  }

  #end(lane: number): void {
    const reading = this.#readings.get(lane)
    if (reading === undefined) return
    this.#readings.delete(lane)
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
    if (effect.type === 'cancelFetch') this.#end(effect.lane)
    if (effect.type !== 'fetch') return
    const { connections } = this.#world
    const at = effect.first * PIECE + (this.#halves.get(effect.first) ?? 0)
    this.#halves.delete(effect.first)
    const end = (effect.first + effect.count) * PIECE
    const next = connections[this.#asked++ % connections.length]!
    this.#readings.set(effect.lane, {
      first: effect.first,
      end,
      connection: next,
      askedAt: this.now,
      began: false,
      at,
      bytes: 0,
      pauses: 0,
      pausedAt: Number.NEGATIVE_INFINITY,
    })
  }
}

/** What one connection after the other would take, each of them the worst there is. */
function sequentialMs({ pieces, link, connections }: World): number {
  const worst = (of: (connection: Connection) => number): number => Math.max(...connections.map(of))
  const rate = Math.min(link, ...connections.map((c) => c.rate))
  const size = pieces * PIECE
  const cuts = Math.ceil(size / Math.min(...connections.map((c) => c.cutAfter)))
  const pauses = Math.ceil(size / LANE) * worst((c) => (c.pauseAfter < size ? c.pauseMs : 0))
  return (1 + cuts) * (RETRY_MS + worst((c) => c.waitMs)) + pauses + size / rate
}

describe('reading an origin, whatever its rates and delays', () => {
  it('ends within twice what one connection would take, and ten seconds, and asks for nothing that has come', () => {
    fc.assert(
      fc.property(world, (setting) => {
        const reader = new VirtualReader(setting)
        reader.run()
        const size = setting.pieces * PIECE
        assert.ok(reader.completeAt !== undefined, 'does not end')
        const mostMs = 2 * sequentialMs(setting) + 10_000
        assert.ok(reader.completeAt <= mostMs, `takes ${reader.completeAt} ms where ${mostMs} would do`)
        // what comes in one step after a lane has been shortened, and of the piece that it was at
        const mostBytes = size + reader.requests * (PIECE + setting.link * STEP_MS)
        assert.ok(reader.sent <= mostBytes, `${reader.sent} bytes sent of ${size}`)
      }),
      { numRuns: 300 },
    )
  })
})
