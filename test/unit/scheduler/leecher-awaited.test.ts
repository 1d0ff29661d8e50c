import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import type { LeecherOptions } from '../../../src/scheduler/index.ts'
import { bits, LeecherDriver, range } from './leecher-driver.ts'

const OPTIONS = { rangeBytes: 8, hostRanges: 4 }

/** Runs as [first, count]. */
const runs = (driver: LeecherDriver): [number, number][] =>
  driver.take('fetch').map(({ first, count }) => [first, count])

function awaited(driver: LeecherDriver, first: number, count: number): LeecherDriver {
  return driver.on({ type: 'awaited', blob: 1, first, count })
}

/** Of which nobody wants more than parts. */
function parts(pieces: number, options: Partial<LeecherOptions> = OPTIONS): LeecherDriver {
  return new LeecherDriver(options).add(pieces, { limit: 0 })
}

function wholeWanted(driver: LeecherDriver): LeecherDriver {
  return driver.on({ type: 'steered', blob: 1, order: 0, limit: undefined })
}

function opened(driver: LeecherDriver, takesRanges = true): LeecherDriver {
  return driver.on({ type: 'originOpen', blob: 1, ranges: 3, takesRanges })
}

/** The range at its first piece brings everything it was asked for. */
function ends(driver: LeecherDriver, range: number, pieces: readonly number[]): LeecherDriver {
  for (const piece of pieces) driver.stored(piece, undefined)
  return driver.on({ type: 'fetchEnded', range, failure: undefined })
}

describe('what a reader of a part waits for', () => {
  it('is all that is read at the origin, until somebody wants the whole', () => {
    const driver = opened(awaited(parts(40), 30, 2))
    const [first] = driver.seen('fetch')
    assert.deepEqual(runs(driver), [[30, 2]])
    ends(driver, first!.range, [30, 31])
    assert.deepEqual(runs(driver.pass(60_000)), [])
    assert.deepEqual(driver.seen('stalled'), [], 'what is not asked for is not late')
    assert.deepEqual(runs(wholeWanted(driver)), [
      [0, 8],
      [8, 8],
      [16, 8],
    ])
  })

  it('is read at once beside what is under way', () => {
    const driver = opened(new LeecherDriver(OPTIONS).add(100)).clear()
    assert.deepEqual(runs(awaited(driver, 90, 1)), [[90, 1]])
    assert.deepEqual(runs(awaited(driver, 50, 1)), [[50, 1]])
    assert.deepEqual(runs(awaited(driver, 90, 1)), [])
  })

  it('is taken from a range that would come to it last, and no piece is read twice', () => {
    const driver = opened(new LeecherDriver(OPTIONS).add(100))
    const [, second] = driver.take('fetch')
    driver.on({ type: 'fetchBegan', range: second!.range, whole: false })
    // 8 to 15 are this range's
    const [own] = awaited(driver, 12, 1).seen('fetch')
    assert.deepEqual(runs(driver), [[12, 1]])
    assert.deepEqual(driver.seen('cancelFetch'), [])
    for (const piece of range(8, 12)) driver.stored(piece, undefined)
    assert.deepEqual(
      driver.seen('cancelFetch').map(({ range }) => range),
      [second!.range],
    )
    assert.deepEqual(runs(ends(driver, own!.range, [12])), [[13, 3]], 'what it was to bring behind that')
  })

  it('is taken from a range that has not begun: that is asked for later', () => {
    const driver = opened(new LeecherDriver(OPTIONS).add(100))
    const [, second] = driver.take('fetch')
    awaited(driver, 12, 1)
    assert.deepEqual(
      driver.seen('cancelFetch').map(({ range }) => range),
      [second!.range],
    )
    const [own] = driver.seen('fetch')
    assert.deepEqual(runs(driver), [[12, 1]])
    assert.deepEqual(runs(ends(driver, own!.range, [12])), [[8, 4]])
  })

  it('is left to a range that is at it', () => {
    const driver = opened(new LeecherDriver(OPTIONS).add(100)).clear()
    assert.deepEqual(runs(awaited(driver, 8, 1)), [])
  })

  it('does not hold up the rest where somebody wants the whole', () => {
    const pulled = opened(awaited(new LeecherDriver(OPTIONS).add(40), 30, 1))
    assert.deepEqual(runs(pulled), [
      [30, 1],
      [0, 8],
      [8, 8],
    ])
  })

  it('is late like all else: a source that keeps it back is passed over', () => {
    const driver = awaited(parts(40).hashes(40), 30, 1).join(1, 'home')
    driver.pass(60_000)
    assert.ok(driver.seen('stalled').length > 0)
  })

  it('comes again when it is lost', () => {
    const driver = opened(awaited(parts(40), 30, 1))
    const [first] = driver.take('fetch')
    ends(driver, first!.range, [30]).on({ type: 'dropped', blob: 1, pieces: [30] })
    assert.deepEqual(runs(driver), [[30, 1]])
  })

  it('comes with all else from an origin that sends the whole', () => {
    const driver = opened(awaited(parts(40), 30, 1), false)
    const [first] = driver.take('fetch')
    driver.on({ type: 'fetchBegan', range: first!.range, whole: true })
    driver.on({ type: 'fetchEnded', range: first!.range, failure: { final: false, retryAfterMs: 0 } }).pass(10_000)
    assert.deepEqual(runs(driver), [[0, 40]], 'and is read from the beginning again after a cut')
  })

  it('waits for the one range of an origin that is not known to take any', () => {
    const driver = opened(awaited(parts(40), 30, 1), false)
    awaited(driver, 20, 1)
    assert.deepEqual(runs(driver), [[30, 1]])
  })

  it('is bounded: four ranges at a time, and beyond 64 pieces all comes in the order of the blob', () => {
    const few = opened(awaited(parts(1_000, { ...OPTIONS, rangeBytes: 1 }), 100, 64))
    const awaitedRuns: [number, number][] = [
      [100, 1],
      [101, 1],
      [102, 1],
      [103, 1],
    ]
    assert.deepEqual(runs(few), awaitedRuns)
    const many = awaited(parts(1_000, { rangeBytes: 1, hostRanges: 5 }), 100, 65)
    many.on({ type: 'originOpen', blob: 1, ranges: 5 })
    assert.deepEqual(runs(many), [...awaitedRuns, [0, 1]])
  })

  it('is asked of a home by number, and nothing else of it', () => {
    const driver = awaited(parts(40), 30, 2).join(1, 'home')
    assert.deepEqual(
      driver.seen('request').map(({ source, piece, urgent }) => [source, piece, urgent]),
      [
        [1, 30, true],
        [1, 31, true],
      ],
    )
    assert.deepEqual(driver.seen('want'), [])
    for (const { id, piece } of driver.take('request')) {
      driver.on({ type: 'began', id, piece }).stored(piece, id)
    }
    assert.deepEqual(driver.seen('cancel'), [])
    assert.deepEqual(driver.pass(10_000).seen('want'), [])
    assert.ok(wholeWanted(driver).seen('want').length > 0)
  })

  it('is asked first of a neighbour that has it, and of a parent', () => {
    for (const kind of ['peer', 'parent'] as const) {
      const driver = awaited(parts(40).hashes(40), 30, 1).join(1, kind)
      if (kind === 'peer') driver.peer(1, Bitfield.full(40))
      assert.deepEqual(
        driver.seen('request').map(({ piece }) => piece),
        [30],
      )
    }
  })

  it('is nothing that is here', () => {
    const driver = new LeecherDriver(OPTIONS).add(40, { have: bits(40, [30]) })
    assert.deepEqual(runs(opened(awaited(driver, 30, 1))), [
      [0, 8],
      [8, 8],
      [16, 8],
    ])
  })
})
