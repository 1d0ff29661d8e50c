import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BACKGROUND_ORDER } from '../../../src/scheduler/index.ts'
import { bits, LeecherDriver, range } from './leecher-driver.ts'

const OPTIONS = { rangeBytes: 8, hostRanges: 4 }
const FAILED = { final: false, retryAfterMs: 0 }
/** Runs as [first, count]. */
const runs = (driver: LeecherDriver): [number, number][] =>
  driver.take('fetch').map(({ first, count }) => [first, count])

describe('origin ranges', () => {
  it('are not opened before they are allowed', () => {
    assert.deepEqual(runs(new LeecherDriver(OPTIONS).add(10).pass(1_000)), [])
  })

  it('read runs of whole pieces up to their size, side by side', () => {
    const driver = new LeecherDriver(OPTIONS).add(20, { pieceBytes: 2 }).on({ type: 'originOpen', blob: 1, ranges: 3 })
    assert.deepEqual(runs(driver), [
      [0, 4],
      [4, 4],
      [8, 4],
    ])
  })

  it('read one piece at a time where pieces are larger than a range', () => {
    const driver = new LeecherDriver(OPTIONS).add(3, { pieceBytes: 100 }).on({ type: 'originOpen', blob: 1, ranges: 1 })
    assert.deepEqual(runs(driver), [[0, 1]])
  })

  it('skip what is here, what is under way, and what a usable neighbour can give', () => {
    const driver = new LeecherDriver(OPTIONS).add(12, { have: bits(12, [1]) }).hashes(12)
    driver.peer(1, bits(12, [4, 5, 6, 7, 8, 9, 10, 11])).on({ type: 'originOpen', blob: 1, ranges: 8 })
    assert.deepEqual(runs(driver), [
      [0, 1],
      [2, 2],
    ])
  })

  it('read what neighbours have when its hash is unknown, or nothing comes of them', () => {
    const unknown = new LeecherDriver(OPTIONS).add(4).peer(1, bits(4, range(0, 4)))
    assert.deepEqual(runs(unknown.on({ type: 'originOpen', blob: 1, ranges: 1 })), [[0, 4]])
    const refused = new LeecherDriver(OPTIONS)
      .add(1)
      .hashes(1)
      .peer(1, bits(1, [0]))
    refused.on({ type: 'originOpen', blob: 1, ranges: 1 })
    const startedAt = refused.now
    while (refused.seen('fetch').length === 0 && refused.now < startedAt + 10_000) {
      for (const { id } of refused.take('request')) refused.on({ type: 'failed', id, reason: 'busy', queue: 1 })
      if (refused.seen('fetch').length === 0) refused.pass(100)
    }
    assert.equal(refused.now - startedAt, 5_000)
    assert.deepEqual(runs(refused), [[0, 1]])
  })

  it('begin where the reader is, and come round', () => {
    const driver = new LeecherDriver(OPTIONS).add(20).on({ type: 'cursor', blob: 1, piece: 12 })
    assert.deepEqual(runs(driver.on({ type: 'originOpen', blob: 1, ranges: 3 })), [
      [12, 8],
      [0, 8],
      [8, 4],
    ])
  })

  it('stay within the host, over all blobs', () => {
    const driver = new LeecherDriver(OPTIONS)
    for (const blob of [1, 2]) driver.add(100, {}, blob).on({ type: 'originOpen', blob, ranges: 3 })
    assert.deepEqual(
      driver.take('fetch').map(({ blob }) => blob),
      [1, 1, 1, 2],
    )
  })

  it('of a pull do not wait for those of the background', () => {
    const driver = new LeecherDriver(OPTIONS).add(100, { order: BACKGROUND_ORDER }, 1).add(100, {}, 2)
    const open = (blob: number): void => void driver.on({ type: 'originOpen', blob, ranges: 3 })
    for (const blob of [1, 2]) open(blob)
    assert.deepEqual(
      driver.take('fetch').map(({ blob }) => blob),
      [1, 1, 1, 2, 2, 2],
    )
    driver.add(100, { order: BACKGROUND_ORDER }, 3)
    open(3)
    assert.deepEqual(driver.take('fetch'), [], 'these wait for both')
  })

  it('go on when one has ended, and end when the origin is closed', () => {
    const driver = new LeecherDriver(OPTIONS).add(24).on({ type: 'originOpen', blob: 1, ranges: 1 })
    const [first] = driver.take('fetch')
    for (const piece of range(0, 8)) driver.stored(piece, undefined)
    driver.on({ type: 'fetchEnded', range: first!.range, failure: undefined })
    const [second] = driver.take('fetch')
    assert.equal(second?.first, 8)
    driver.on({ type: 'originOpen', blob: 1, ranges: 0 }).pass(1_000)
    assert.deepEqual(
      driver.seen('cancelFetch').map(({ range }) => range),
      [second.range],
    )
    assert.deepEqual(driver.seen('fetch'), [])
    assert.deepEqual(runs(driver.clear().on({ type: 'originOpen', blob: 1, ranges: 1 })), [[8, 8]])
  })

  it('back off after failures, ever longer, and say so after some seconds in which nothing has come', () => {
    const driver = new LeecherDriver(OPTIONS).add(8).on({ type: 'originOpen', blob: 1, ranges: 1 })
    const waits: number[] = []
    for (let i = 0; i < 4; i++) {
      const [range] = driver.take('fetch')
      driver.on({ type: 'fetchEnded', range: range!.range, failure: FAILED })
      assert.equal(driver.seen('originFailed').length, i === 3 ? 1 : 0)
      const failedAt = driver.now
      while (driver.seen('fetch').length === 0) driver.pass(50)
      waits.push(driver.now - failedAt)
    }
    assert.deepEqual(waits, [250, 500, 1_000, 2_000])
  })

  it('that fail together have failed once, and one is asked first when it is time again', () => {
    const driver = new LeecherDriver(OPTIONS).add(64).on({ type: 'originOpen', blob: 1, ranges: 4 })
    for (const { range } of driver.take('fetch')) driver.on({ type: 'fetchEnded', range, failure: FAILED })
    assert.deepEqual(driver.pass(200).take('fetch'), [])
    assert.equal(driver.pass(50).seen('fetch').length, 1)
    const [probe] = driver.take('fetch')
    driver.on({ type: 'fetchProgress', range: probe!.range, bytes: 1 }).on({ type: 'tick' })
    assert.equal(driver.seen('fetch').length, 3)
  })

  it('of a blob that has begun wait for a minute for an origin that fails', () => {
    const driver = new LeecherDriver(OPTIONS).add(64).on({ type: 'originOpen', blob: 1, ranges: 4 })
    driver.stored(0, undefined)
    const startedAt = driver.now
    while (driver.seen('originFailed').length === 0) {
      for (const { range } of driver.take('fetch')) driver.on({ type: 'fetchEnded', range, failure: FAILED })
      if (driver.seen('originFailed').length === 0) driver.pass(100)
    }
    const waited = driver.now - startedAt
    assert.ok(waited > 50_000 && waited <= 60_000, `${waited} ms`)
  })

  it('leave an origin alone for as long as it asks', () => {
    const driver = new LeecherDriver(OPTIONS).add(64).on({ type: 'originOpen', blob: 1, ranges: 1 })
    const [range] = driver.stored(0, undefined).take('fetch')
    driver.on({ type: 'fetchEnded', range: range!.range, failure: { final: false, retryAfterMs: 7_000 } })
    assert.deepEqual(driver.pass(6_900).take('fetch'), [])
    assert.equal(driver.pass(100).take('fetch').length, 1)
  })

  it('take a no for an answer at once, but not in the middle of a blob', () => {
    const refusal = { final: true, retryAfterMs: 0 }
    for (const stored of [false, true]) {
      const driver = new LeecherDriver(OPTIONS).add(64).on({ type: 'originOpen', blob: 1, ranges: 1 })
      if (stored) driver.stored(0, undefined)
      const [range] = driver.take('fetch')
      driver.on({ type: 'fetchEnded', range: range!.range, failure: refusal })
      assert.deepEqual(
        driver.seen('originFailed').map(({ refused }) => refused),
        stored ? [] : [true],
      )
    }
  })

  it('ask an origin once until it is known to take ranges', () => {
    const driver = new LeecherDriver(OPTIONS).add(64).on({ type: 'originOpen', blob: 1, ranges: 4, takesRanges: false })
    const [first, ...others] = driver.pass(1_000).take('fetch')
    assert.deepEqual(others, [])
    driver.on({ type: 'fetchBegan', range: first!.range, whole: false })
    assert.equal(driver.seen('fetch').length, 3)
  })

  for (const [takesRanges, ranges] of [
    [false, 1],
    [true, 3],
  ] as const) {
    it(`of an origin that is late, and ${takesRanges ? 'takes' : 'may take no'} ranges: all the rest, in one more`, () => {
      const late = (opened: { mayGrow: boolean }, asked: (range: number) => boolean): [number, number][] => {
        const driver = new LeecherDriver(OPTIONS).add(64)
        driver.on({ type: 'originOpen', blob: 1, ranges: 3, takesRanges, mayGrow: opened.mayGrow })
        const first = driver.take('fetch').filter(({ range }) => asked(range))
        for (const { range } of first) driver.on({ type: 'fetchAsked', range })
        driver.pass(2_900)
        assert.deepEqual(runs(driver), [], 'an origin at hand is not late yet')
        return runs(driver.pass(10_000))
      }
      assert.deepEqual(
        late({ mayGrow: true }, () => true),
        [[8 * ranges, 64 - 8 * ranges]],
      )
      // what waits for a limit here waits for no origin
      assert.deepEqual(
        late({ mayGrow: true }, (range) => range > 1),
        [],
      )
      assert.deepEqual(
        late({ mayGrow: false }, () => true),
        [],
      )
    })
  }

  it('of an origin that has begun one answer: no more than usual, however late the others are', () => {
    const driver = new LeecherDriver(OPTIONS).add(64).on({ type: 'originOpen', blob: 1, ranges: 3, mayGrow: true })
    for (const { range } of driver.take('fetch')) driver.on({ type: 'fetchAsked', range })
    driver.on({ type: 'fetchBegan', range: 1, whole: false }).pass(1_900)
    assert.deepEqual(runs(driver.pass(8_000)), [])
  })

  it('become one when the origin sends everything for a range, and that one brings everything', () => {
    const driver = new LeecherDriver(OPTIONS).add(64).on({ type: 'originOpen', blob: 1, ranges: 4 })
    const [first, second, ...others] = driver.take('fetch')
    driver.stored(0, undefined).on({ type: 'fetchBegan', range: second!.range, whole: true })
    assert.deepEqual(
      driver.take('cancelFetch').map(({ range }) => range),
      [first!.range, ...others.map(({ range }) => range)],
    )
    for (let piece = 1; piece < 64; piece++) driver.pass(100).stored(piece, undefined)
    assert.deepEqual(driver.seen('fetch'), [])
    assert.equal(driver.seen('complete').length, 1)
  })

  it('ask for more at a time where each question costs seconds', () => {
    const driver = new LeecherDriver({ ...OPTIONS, rangeBytes: 8 * 1024 })
    driver.add(1_000, { pieceBytes: 1024 }).on({ type: 'originOpen', blob: 1, ranges: 1 })
    const [range] = driver.take('fetch')
    driver.pass(5_000).on({ type: 'fetchBegan', range: range!.range, whole: false })
    for (let i = 0; i < 8; i++) {
      driver.pass(100).on({ type: 'fetchProgress', range: range!.range, bytes: 1024 })
      driver.stored(i, undefined)
    }
    driver.on({ type: 'fetchEnded', range: range!.range })
    const [next] = driver.take('fetch')
    // 20 seconds at ten pieces a second
    assert.ok(next !== undefined && next.count > 150, `${next?.count} pieces`)
  })

  it('begin to count failures anew after a piece', () => {
    const driver = new LeecherDriver(OPTIONS).add(50).on({ type: 'originOpen', blob: 1, ranges: 1 })
    for (let i = 0; i < 12; i++) {
      const [range] = driver.take('fetch')
      driver.stored(range!.first, undefined).on({ type: 'fetchEnded', range: range!.range, failure: FAILED })
      assert.deepEqual(driver.seen('originFailed'), [])
      while (driver.seen('fetch').length === 0) driver.pass(50)
    }
  })

  it('take an answer that ends early for a failure', () => {
    const driver = new LeecherDriver(OPTIONS).add(8).on({ type: 'originOpen', blob: 1, ranges: 1 })
    const [range] = driver.take('fetch')
    driver.stored(0, undefined).on({ type: 'fetchEnded', range: range!.range, failure: undefined })
    assert.deepEqual(runs(driver), [])
    assert.deepEqual(runs(driver.pass(300)), [[1, 7]])
  })

  /** Two ranges of eight pieces: one brings a piece in 100 ms, the other the first and then nothing. */
  function fastAndSlow(): { driver: LeecherDriver; fast: number; slow: number } {
    const driver = new LeecherDriver(OPTIONS).add(96).on({ type: 'cursor', blob: 1, piece: 8 })
    driver.on({ type: 'originOpen', blob: 1, ranges: 2 })
    const [slow, fast] = driver.take('fetch').map(({ range }) => range)
    driver.on({ type: 'fetchProgress', range: slow!, bytes: 1 }).stored(8, undefined)
    return { driver, fast: fast!, slow: slow! }
  }

  /** The range `id` brings the pieces from `first` on. */
  function bring(driver: LeecherDriver, id: number, first: number): void {
    for (let piece = first; piece < first + 8; piece++) {
      driver.pass(100).on({ type: 'fetchProgress', range: id, bytes: 1 }).stored(piece, undefined)
    }
    driver.on({ type: 'fetchEnded', range: id })
  }

  it('drop a straggler that a reader waits for, and read what it owes again', () => {
    const { driver, fast, slow } = fastAndSlow()
    driver.on({ type: 'cursor', blob: 1, piece: 9 })
    let range = fast
    for (let first = 16; driver.seen('cancelFetch').length === 0 && first < 88; first += 8) {
      bring(driver, range, first)
      range = driver.seen('fetch').at(-1)!.range
    }
    assert.deepEqual(
      driver.seen('cancelFetch').map(({ range }) => range),
      [slow],
    )
    assert.ok(driver.seen('fetch').some(({ first }) => first === 9))
  })

  it('leave one that hangs where the others ended at once, and nobody reads', () => {
    const driver = new LeecherDriver(OPTIONS).add(16).on({ type: 'originOpen', blob: 1, ranges: 2 })
    const [fast, slow] = driver.take('fetch').map(({ range }) => range)
    driver.on({ type: 'fetchProgress', range: slow!, bytes: 1 }).stored(8, undefined)
    bring(driver, fast!, 0)
    driver.take('fetch')
    driver.pass(10_000)
    assert.ok(driver.seen('fetch').length > 0, 'nobody reads what it owes')
  })

  it('wait for a first byte, and for a range that is as slow as all others are', () => {
    const waiting = new LeecherDriver(OPTIONS).add(16).on({ type: 'originOpen', blob: 1, ranges: 2 })
    bring(waiting, waiting.take('fetch')[0]!.range, 0)
    assert.deepEqual(waiting.pass(120_000).seen('cancelFetch'), [])
    const slow = new LeecherDriver(OPTIONS).add(16).on({ type: 'originOpen', blob: 1, ranges: 2 })
    const ranges = slow.take('fetch')
    for (let i = 0; i < 8; i++) {
      for (const { range, first } of ranges) {
        slow.pass(2_000).on({ type: 'fetchProgress', range, bytes: 1 })
        assert.deepEqual(slow.seen('cancelFetch'), [])
        slow.stored(first + i, undefined)
      }
    }
    assert.equal(slow.seen('complete').length, 1)
  })

  it('leave out what a neighbour brought meanwhile', () => {
    const driver = new LeecherDriver(OPTIONS).add(8).on({ type: 'originOpen', blob: 1, ranges: 1 })
    const [range] = driver.take('fetch')
    driver.stored(3, undefined).on({ type: 'fetchEnded', range: range!.range, failure: FAILED }).pass(300)
    assert.deepEqual(runs(driver), [[0, 3]])
  })
})
