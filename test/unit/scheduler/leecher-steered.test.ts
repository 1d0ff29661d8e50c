import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import { LeecherDriver } from './leecher-driver.ts'

describe('a leecher whose blob is held back', () => {
  it('asks neighbours, homes and the origin for no more than it may, and for the rest when it may', () => {
    const ways: readonly [
      name: string,
      open: (driver: LeecherDriver) => void,
      count: (driver: LeecherDriver) => number,
    ][] = [
      [
        'a neighbour',
        (driver) => driver.hashes(20).peer(1, Bitfield.full(20)),
        (driver) => driver.take('request').length,
      ],
      ['a home', (driver) => driver.join(1, 'home'), (driver) => driver.takeWants().length],
      [
        'the origin',
        (driver) => driver.on({ type: 'originOpen', blob: 1, lanes: 4 }),
        (driver) => driver.take('fetch').reduce((sum, { count }) => sum + count, 0),
      ],
    ]
    for (const [name, open, count] of ways) {
      const driver = new LeecherDriver({ perSource: 8 }).add(20, { limit: 0 })
      open(driver)
      assert.equal(count(driver.pass(2_000)), 0, name)
      driver.on({ type: 'steered', blob: 1, order: 0, limit: 3 })
      assert.equal(count(driver), 3, name)
      driver.on({ type: 'steered', blob: 1, order: 0, limit: undefined })
      assert.ok(count(driver) > 0, name)
    }
  })

  it('counts what it has: a limit is of pieces here and under way', () => {
    const driver = new LeecherDriver({ perSource: 8 }).add(10, { limit: 2 }).hashes(10).peer(1, Bitfield.full(10))
    const asked = driver.take('request')
    for (const { piece, id } of asked) driver.stored(piece, id)
    assert.deepEqual([asked.length, driver.take('request').length], [2, 0])
    driver.on({ type: 'steered', blob: 1, order: 0, limit: 3 })
    assert.equal(driver.take('request').length, 1)
  })

  it('does not take its sources for slow or dead, however long it waits', () => {
    const driver = new LeecherDriver().add(10, { limit: 0 }).hashes(10).join(1, 'home').peer(2, Bitfield.full(10))
    driver.clear().pass(60_000)
    assert.deepEqual([driver.seen('stalled'), driver.seen('cancel')], [[], []])
    driver.on({ type: 'steered', blob: 1, order: 0, limit: undefined }).clear().pass(500)
    assert.deepEqual(driver.seen('stalled'), [])
  })

  it('takes back its wants within a second when it may have no more', () => {
    const driver = new LeecherDriver().add(20).join(1, 'home')
    const wants = driver.takeWants()
    assert.ok(wants.length > 0)
    driver.on({ type: 'steered', blob: 1, order: 0, limit: 0 }).pass(1_100)
    assert.equal(driver.take('cancel').length, wants.length)
  })
})

describe('a leecher whose blob becomes urgent', () => {
  it('asks for its pieces before those of blobs that were first', () => {
    const driver = new LeecherDriver({ maxOutstanding: 1, perSource: 1 })
    driver
      .add(4, { order: 1 }, 1)
      .add(4, { order: 2 ** 40 }, 2)
      .hashes(4)
      .hashes(4, 0, 2)
    driver.on({ type: 'steered', blob: 2, order: 0, limit: undefined })
    driver.peer(1, new Bitfield(4)).peer(1, Bitfield.full(4), { blob: 2 })
    driver.on({ type: 'sourceHas', source: 1, blob: 1, pieces: [0, 1, 2, 3], queue: 0 })
    const [first] = driver.take('request')
    driver.stored(first!.piece, first!.id, 2)
    assert.deepEqual([first?.blob, driver.take('request')[0]?.blob], [2, 2])
  })
})
