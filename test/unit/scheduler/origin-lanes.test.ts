import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BACKGROUND_ORDER } from '../../../src/scheduler/index.ts'
import { bits, LeecherDriver, range } from './leecher-driver.ts'

const OPTIONS = { laneBytes: 8, hostLanes: 4 }
/** Runs as [first, count]. */
const runs = (driver: LeecherDriver): [number, number][] =>
  driver.take('fetch').map(({ first, count }) => [first, count])

describe('origin lanes', () => {
  it('are not opened before they are allowed', () => {
    assert.deepEqual(runs(new LeecherDriver(OPTIONS).add(10).pass(1_000)), [])
  })

  it('read runs of whole pieces up to their size, side by side', () => {
    const driver = new LeecherDriver(OPTIONS).add(20, { pieceBytes: 2 }).on({ type: 'originOpen', blob: 1, lanes: 3 })
    assert.deepEqual(runs(driver), [
      [0, 4],
      [4, 4],
      [8, 4],
    ])
  })

  it('read one piece at a time where pieces are larger than a lane', () => {
    const driver = new LeecherDriver(OPTIONS).add(3, { pieceBytes: 100 }).on({ type: 'originOpen', blob: 1, lanes: 1 })
    assert.deepEqual(runs(driver), [[0, 1]])
  })

  it('skip what is here, what is under way, and what a usable neighbour can give', () => {
    const driver = new LeecherDriver(OPTIONS).add(12, { have: bits(12, [1]) }).hashes(12)
    driver.peer(1, bits(12, [4, 5, 6, 7, 8, 9, 10, 11])).on({ type: 'originOpen', blob: 1, lanes: 8 })
    assert.deepEqual(runs(driver), [
      [0, 1],
      [2, 2],
    ])
  })

  it('read what neighbours have when its hash is unknown, or nothing comes of them', () => {
    const unknown = new LeecherDriver(OPTIONS).add(4).peer(1, bits(4, range(0, 4)))
    assert.deepEqual(runs(unknown.on({ type: 'originOpen', blob: 1, lanes: 1 })), [[0, 4]])
    const refused = new LeecherDriver(OPTIONS)
      .add(1)
      .hashes(1)
      .peer(1, bits(1, [0]))
    refused.on({ type: 'originOpen', blob: 1, lanes: 1 })
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
    assert.deepEqual(runs(driver.on({ type: 'originOpen', blob: 1, lanes: 3 })), [
      [12, 8],
      [0, 8],
      [8, 4],
    ])
  })

  it('stay within the host, over all blobs', () => {
    const driver = new LeecherDriver(OPTIONS)
    for (const blob of [1, 2]) driver.add(100, {}, blob).on({ type: 'originOpen', blob, lanes: 3 })
    assert.deepEqual(
      driver.take('fetch').map(({ blob }) => blob),
      [1, 1, 1, 2],
    )
  })

  it('of a pull do not wait for those of the background', () => {
    const driver = new LeecherDriver(OPTIONS).add(100, { order: BACKGROUND_ORDER }, 1).add(100, {}, 2)
    const open = (blob: number): void => void driver.on({ type: 'originOpen', blob, lanes: 3 })
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
    const driver = new LeecherDriver(OPTIONS).add(24).on({ type: 'originOpen', blob: 1, lanes: 1 })
    const [first] = driver.take('fetch')
    for (const piece of range(0, 8)) driver.stored(piece, undefined)
    driver.on({ type: 'fetchEnded', lane: first!.lane, ok: true })
    const [second] = driver.take('fetch')
    assert.equal(second?.first, 8)
    driver.on({ type: 'originOpen', blob: 1, lanes: 0 }).pass(1_000)
    assert.deepEqual(
      driver.seen('cancelFetch').map(({ lane }) => lane),
      [second.lane],
    )
    assert.deepEqual(driver.seen('fetch'), [])
    assert.deepEqual(runs(driver.clear().on({ type: 'originOpen', blob: 1, lanes: 1 })), [[8, 8]])
  })

  it('back off after failures, ever longer, and say after five that the origin failed', () => {
    const driver = new LeecherDriver(OPTIONS).add(8).on({ type: 'originOpen', blob: 1, lanes: 1 })
    const waits: number[] = []
    for (let i = 0; i < 5; i++) {
      const [lane] = driver.take('fetch')
      driver.on({ type: 'fetchEnded', lane: lane!.lane, ok: false })
      assert.equal(driver.seen('originFailed').length, i === 4 ? 1 : 0)
      const failedAt = driver.now
      while (driver.seen('fetch').length === 0) driver.pass(50)
      waits.push(driver.now - failedAt)
    }
    assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000])
  })

  it('begin to count failures anew after a piece', () => {
    const driver = new LeecherDriver(OPTIONS).add(50).on({ type: 'originOpen', blob: 1, lanes: 1 })
    for (let i = 0; i < 12; i++) {
      const [lane] = driver.take('fetch')
      driver.stored(lane!.first, undefined).on({ type: 'fetchEnded', lane: lane!.lane, ok: false })
      assert.deepEqual(driver.seen('originFailed'), [])
      while (driver.seen('fetch').length === 0) driver.pass(50)
    }
  })

  it('take an answer that ends early for a failure', () => {
    const driver = new LeecherDriver(OPTIONS).add(8).on({ type: 'originOpen', blob: 1, lanes: 1 })
    const [lane] = driver.take('fetch')
    driver.stored(0, undefined).on({ type: 'fetchEnded', lane: lane!.lane, ok: true })
    assert.deepEqual(runs(driver), [])
    assert.deepEqual(runs(driver.pass(300)), [[1, 7]])
  })

  it('drop a straggler and read what it owes again', () => {
    const driver = new LeecherDriver(OPTIONS).add(16).on({ type: 'originOpen', blob: 1, lanes: 2 })
    const [fast, slow] = driver.take('fetch')
    for (let i = 0; i < 8; i++) driver.pass(100).stored(fast!.first + i, undefined)
    driver.on({ type: 'fetchEnded', lane: fast!.lane, ok: true }).pass(3_100)
    assert.deepEqual(driver.seen('cancelFetch'), [])
    driver.pass(200)
    assert.deepEqual(
      driver.seen('cancelFetch').map(({ lane }) => lane),
      [slow!.lane],
    )
    assert.deepEqual(runs(driver), [[8, 8]])
  })

  it('leave out what a neighbour brought meanwhile', () => {
    const driver = new LeecherDriver(OPTIONS).add(8).on({ type: 'originOpen', blob: 1, lanes: 1 })
    const [lane] = driver.take('fetch')
    driver.stored(3, undefined).on({ type: 'fetchEnded', lane: lane!.lane, ok: false }).pass(300)
    assert.deepEqual(runs(driver), [[0, 3]])
  })
})
