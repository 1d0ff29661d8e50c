import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ORIGIN_HEADERS_MS } from '../../../src/base/patience.ts'
import { DEFAULT_LEECHER } from '../../../src/scheduler/index.ts'
import type { Connection, Fate, World } from './virtual-reader.ts'
import { KIB, MIB, PIECE, RANGE, RETRY_MS, STEP_MS, VirtualReader } from './virtual-reader.ts'

const connection: fc.Arbitrary<Connection> = fc.record({
  fate: fc.constant<Fate>('serves'),
  waitMs: fc.integer({ min: 0, max: 12_000 }),
  rate: fc.integer({ min: 20, max: 20_000 }),
  pauseAfter: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: MIB, max: RANGE })),
  pauseMs: fc.integer({ min: 0, max: 14_000 }),
  cutAfter: fc.oneof(
    { weight: 4, arbitrary: fc.constant(Number.POSITIVE_INFINITY) },
    { weight: 1, arbitrary: fc.integer({ min: 64 * KIB, max: 8 * MIB }) },
  ),
  weight: fc.integer({ min: 1, max: 8 }),
})

const world: fc.Arbitrary<World> = fc.record({
  pieces: fc.integer({ min: 2, max: 300 }),
  ranges: fc.integer({ min: 1, max: 6 }),
  link: fc.integer({ min: 50, max: 50_000 }),
  limit: fc.oneof(fc.constant(0), fc.integer({ min: 20, max: 5_000 })),
  openAtMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 8_000 })),
  underWay: fc.constant(0),
  isRead: fc.constant(true),
  connections: fc.array(connection, { minLength: 1, maxLength: 12 }),
})

/** Among connections that serve, some that never answer or die. */
const badWorld: fc.Arbitrary<World> = fc
  .tuple(world, fc.array(fc.tuple(connection, fc.constantFrom<Fate>('hangs', 'dies')), { minLength: 1, maxLength: 6 }))
  .map(([good, bad]) => {
    const connections = bad.map(([one, fate]) => ({ ...one, fate }))
    return { ...good, connections: good.connections.flatMap((one, i) => [one, ...connections.slice(i, i + 1)]) }
  })

const STEADY: Connection = {
  fate: 'serves',
  waitMs: 80,
  rate: 400,
  pauseAfter: Number.POSITIVE_INFINITY,
  pauseMs: 0,
  cutAfter: Number.POSITIVE_INFINITY,
  weight: 1,
}

const PLAIN = { limit: 0, openAtMs: 0, underWay: 0, isRead: true }

/** A link that is full, as TCP divides it. */
const fullLink: fc.Arbitrary<World> = fc.record({
  pieces: fc.integer({ min: 2, max: 300 }),
  ranges: fc.integer({ min: 2, max: 8 }),
  link: fc.integer({ min: 1_500, max: 12_000 }),
  limit: fc.constant(0),
  openAtMs: fc.constant(0),
  underWay: fc.constant(MIB / 2),
  isRead: fc.constant(false),
  connections: fc.array(
    fc.integer({ min: 2, max: 7 }).map((weight) => ({ ...STEADY, rate: Number.POSITIVE_INFINITY, weight })),
    { minLength: 1, maxLength: 12 },
  ),
})

/** An origin that takes its time for each answer, and then sends at its rate. */
const lateOrigin: fc.Arbitrary<World> = fc
  .record({
    pieces: fc.integer({ min: 2, max: 1_000 }),
    ranges: fc.integer({ min: 1, max: 6 }),
    link: fc.integer({ min: 1_000, max: 50_000 }),
    rate: fc.integer({ min: 1_000, max: 50_000 }),
    waitMs: fc.integer({ min: 0, max: 58_000 }),
  })
  .map(({ rate, waitMs, ...about }) => ({ ...PLAIN, ...about, connections: [{ ...STEADY, rate, waitMs }] }))

/** What one connection after the other would take, each of them the worst there is. */
function sequentialMs({ pieces, link, limit, openAtMs, connections }: World): number {
  const worst = (of: (connection: Connection) => number): number => Math.max(...connections.map(of))
  const rate = Math.min(link, limit === 0 ? link : limit, ...connections.map((c) => c.rate))
  const size = pieces * PIECE
  const cuts = Math.ceil(size / Math.min(...connections.map((c) => c.cutAfter)))
  const pauses = Math.ceil(size / RANGE) * worst((c) => (c.pauseAfter < size ? c.pauseMs : 0))
  // before each question that is answered, all that are not; a limit makes questions small
  const questions = cuts + Math.ceil(size / Math.min(RANGE, limit === 0 ? RANGE : Math.max(PIECE, limit * 1_000)))
  const bad = connections.filter(({ fate }) => fate !== 'serves')
  const lost = bad.reduce(
    (sum, { fate, waitMs }) => sum + (fate === 'hangs' ? ORIGIN_HEADERS_MS : waitMs) + RETRY_MS,
    0,
  )
  // under a limit each of the small questions waits
  const waits = limit === 0 ? 1 + cuts : questions
  return openAtMs + waits * (RETRY_MS + worst((c) => c.waitMs)) + questions * lost + pauses + size / rate
}

/** The same worlds whenever the suite runs; others and more by hand: `SEED=7 WORLDS=10000`. */
const { SEED = '1', WORLDS = '300' } = process.env
const RUNS = { seed: Number(SEED), numRuns: Number(WORLDS) }

describe('reading an origin, whatever its rates and delays', () => {
  it('ends within twice what one connection would take, and ten seconds, and asks for nothing that has come', () => {
    fc.assert(
      fc.property(world, (setting) => {
        const reader = new VirtualReader(setting)
        reader.run()
        const size = setting.pieces * PIECE
        assert.ok(reader.completeAt !== undefined, 'does not end')
        // what comes within a step comes at its end
        const mostMs = 2 * sequentialMs(setting) + 10_000 + reader.requests * STEP_MS
        assert.ok(reader.completeAt <= mostMs, `takes ${reader.completeAt} ms where ${mostMs} would do`)
        // what comes in one step after a range has been shortened, and of the piece that it was at
        const mostBytes = size + reader.requests * (PIECE + setting.link * STEP_MS)
        assert.ok(reader.sent <= mostBytes, `${reader.sent} bytes sent of ${size}`)
      }),
      RUNS,
    )
  })

  it('with sources among them that never answer, or die: ends as well, or says in time that the origin fails', () => {
    fc.assert(
      fc.property(badWorld, (setting) => {
        const reader = new VirtualReader(setting)
        reader.run()
        const endedAt = reader.completeAt ?? reader.failedAt
        assert.ok(endedAt !== undefined, 'does not end')
        const mostMs = 2 * sequentialMs(setting) + 10_000 + reader.requests * STEP_MS
        assert.ok(endedAt <= mostMs, `takes ${endedAt} ms where ${mostMs} would do`)
        const size = setting.pieces * PIECE
        const mostBytes = size + reader.requests * (PIECE + setting.link * STEP_MS)
        assert.ok(reader.sent <= mostBytes, `${reader.sent} bytes sent of ${size}`)
      }),
      RUNS,
    )
  })

  it('ends within 1.2 times what one read would take, and ten seconds, however late an origin begins its answers', () => {
    fc.assert(
      fc.property(lateOrigin, (setting) => {
        const reader = new VirtualReader(setting)
        reader.run()
        assert.ok(reader.completeAt !== undefined, 'does not end')
        const { waitMs, rate } = setting.connections[0]!
        const mostMs = 1.2 * (waitMs + (setting.pieces * PIECE) / Math.min(rate, setting.link)) + 10_000
        assert.ok(reader.completeAt <= mostMs, `takes ${reader.completeAt} ms where ${mostMs} would do`)
      }),
      RUNS,
    )
  })

  it('by more connections while each one more brings more, up to the most', () => {
    const setting = { ...PLAIN, pieces: 256, ranges: 4, link: 50_000, connections: [STEADY] }
    const reader = new VirtualReader(setting)
    reader.run()
    assert.equal(reader.mostAtOnce, DEFAULT_LEECHER.mostRanges)
    const four = (setting.pieces * PIECE) / (4 * STEADY.rate)
    assert.ok(reader.completeAt! < four / 2, `${reader.completeAt} ms, where four connections need ${four}`)
  })

  it('and by no more than twice the usual for a moment where the link is what is slow', () => {
    for (const link of [200, 1_000, 4_000]) {
      const reader = new VirtualReader({
        ...PLAIN,
        pieces: 1_000,
        ranges: 4,
        link,
        connections: [{ ...STEADY, rate: 50_000 }],
      })
      reader.run()
      assert.ok(reader.mostAtOnce <= 8, `${reader.mostAtOnce}`)
      const mostMs = 1.05 * ((1_000 * PIECE) / link) + 2_000
      assert.ok(reader.completeAt! < mostMs, `${reader.completeAt} ms at ${link}, where ${mostMs} would do`)
      assert.ok(reader.sent <= 1.02 * 1_000 * PIECE, `${reader.sent} bytes`)
    }
  })

  it('pays for no byte twice where the link is full, however unevenly its connections share it', () => {
    fc.assert(
      fc.property(fullLink, (setting) => {
        const reader = new VirtualReader(setting)
        reader.run()
        assert.ok(reader.completeAt !== undefined, 'does not end')
        const size = setting.pieces * PIECE
        // whether a second one helps where there is one alone is not known before it has been tried
        const tried = size > RANGE ? 0 : setting.underWay + setting.link * STEP_MS
        assert.ok(reader.sent <= size + tried, `${reader.sent} bytes sent of ${size}`)
      }),
      RUNS,
    )
  })

  it('shares what one slow connection owes once those that have ended have left room', () => {
    const connections = [{ ...STEADY, rate: 100 }, ...Array.from({ length: 7 }, () => ({ ...STEADY, rate: 1_600 }))]
    const underWay = 64 * KIB
    const reader = new VirtualReader({ ...PLAIN, underWay, pieces: 64, ranges: 2, link: 50_000, connections })
    reader.run()
    const alone = (32 * PIECE) / 100
    assert.ok(reader.completeAt! < alone / 2, `${reader.completeAt} ms, where the slow one alone needs ${alone}`)
    assert.ok(reader.sent <= 64 * PIECE + reader.requests * underWay, `${reader.sent} bytes`)
  })
})
