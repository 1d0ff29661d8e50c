import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import { BACKGROUND_ORDER } from '../../../src/scheduler/index.ts'
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
        (driver) => driver.on({ type: 'originOpen', blob: 1, ranges: 4 }),
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

describe('a leecher for the background', () => {
  it('says so with all it asks for, and says it anew to homes as soon as somebody waits for the blob', () => {
    const driver = new LeecherDriver({ perSource: 8 }).add(20, { order: BACKGROUND_ORDER + 7 })
    driver.join(1, 'home').hashes(20).peer(2, Bitfield.full(20))
    const asked = [...driver.seen('request'), ...driver.seen('want')]
    assert.ok(asked.some(({ type }) => type === 'want') && asked.some(({ type }) => type === 'request'))
    assert.ok(asked.every(({ background }) => background))
    const waiting = asked.flatMap((effect) => (effect.type === 'want' ? effect.ids : []))
    driver.on({ type: 'steered', blob: 1, order: 7, limit: undefined }).clear().pass(200)
    const again = driver.take('want').filter(({ background }) => !background)
    assert.deepEqual(again.flatMap(({ ids }) => ids).slice(0, waiting.length), waiting)
    driver.clear().pass(600)
    assert.deepEqual(driver.take('want'), [], 'once')
  })

  it('does not keep a pull from asking, though all its own requests still wait', () => {
    const driver = new LeecherDriver({ perSource: 8 }).add(50, { order: BACKGROUND_ORDER }, 1).add(50, {}, 2)
    driver.hashes(50).hashes(50, 0, 2).peer(1, Bitfield.full(50))
    assert.equal(driver.take('request').length, 8)
    driver.peer(2, Bitfield.full(50), { blob: 2 })
    assert.equal(driver.take('request').filter(({ blob }) => blob === 2).length, 8)
    // one of each arrives: only the pull asks for another
    const [pull] = driver.stored(0, 9, 2).take('request')
    assert.deepEqual([pull?.blob, pull?.background], [2, false])
    assert.deepEqual(driver.stored(0, 1, 1).take('request'), [])
  })

  it('has as many under way after somebody began to wait for it as before', () => {
    const driver = new LeecherDriver({ perSource: 8 }).add(50, { order: BACKGROUND_ORDER }).hashes(50)
    const asked = driver.peer(1, Bitfield.full(50)).take('request')
    driver.on({ type: 'steered', blob: 1, order: 3, limit: undefined })
    assert.deepEqual([driver.leecher.outstanding, driver.take('request').length], [8, 0])
    for (const { id } of asked) driver.on({ type: 'failed', id, reason: 'busy', queue: 0 })
    driver.on({ type: 'sourceLeft', source: 1, blob: 1 })
    assert.deepEqual([driver.leecher.outstanding, driver.leecher.outstandingBytes], [0, 0])
  })

  it('waits eight times as long before it takes a source for dead', () => {
    const driver = new LeecherDriver({ perSource: 8 }).add(50, { order: BACKGROUND_ORDER }, 1).add(50, {}, 2)
    driver.hashes(50).hashes(50, 0, 2).peer(1, Bitfield.full(50)).peer(2, Bitfield.full(50), { blob: 2 })
    const background = driver.seen('request').filter(({ blob }) => blob === 1)
    driver.pass(6_000)
    const cancelled = driver.seen('cancel').map(({ id }) => id)
    assert.ok(cancelled.length > 0 && background.every(({ id }) => !cancelled.includes(id)))
    driver.pass(600_000)
    assert.ok(background.every(({ id }) => driver.seen('cancel').some((cancel) => cancel.id === id)))
  })
})
