import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import { bits, indexes, LeecherDriver, range } from './leecher-driver.ts'

const HOME = 9

describe('a leecher and its home', () => {
  it('wants as much as the link takes while nobody else brings anything, two when neighbours do', () => {
    const driver = new LeecherDriver().add(100).join(HOME, 'home')
    const wants = driver.takeWants()
    assert.equal(wants.length, 8)
    assert.deepEqual(indexes(wants[0]!.wanted), range(0, 100))
    const fed = new LeecherDriver().add(100).hashes(100)
    for (const source of range(1, 5)) fed.peer(source, Bitfield.full(100))
    assert.equal(fed.seen('request').length, 8)
    assert.equal(fed.join(HOME, 'home').takeWants().length, 2)
  })

  it('sends requests by number to neighbours only, wants to homes only', () => {
    const driver = new LeecherDriver().add(10).hashes(10).join(HOME, 'home').peer(1, Bitfield.full(10))
    driver.on({ type: 'sourceBits', source: HOME, blob: 1, bits: Bitfield.full(10), queue: 0 })
    assert.ok(driver.seen('want').every(({ source }) => source === HOME))
    assert.ok(driver.seen('request').every(({ source }) => source === 1))
  })

  it('wants no more pieces than are missing, nor those under way', () => {
    const driver = new LeecherDriver().add(4, { have: bits(4, [0]) }).hashes(4)
    driver.peer(1, bits(4, [2])).join(HOME, 'home')
    const wants = driver.takeWants()
    assert.equal(wants.length, 2)
    assert.deepEqual(indexes(wants[0]!.wanted), [1, 3])
  })

  it('tells it under the same id what has changed, and nothing when nothing has', () => {
    const driver = new LeecherDriver().add(20).hashes(20).join(HOME, 'home')
    const ids = driver.takeWants().map(({ id }) => id)
    assert.deepEqual(driver.pass(1_500).takeWants(), [])
    driver.peer(1, bits(20, [5]))
    assert.deepEqual(driver.pass(400).takeWants(), [])
    assert.equal(driver.pass(100).seen('want').length, 1)
    const again = driver.takeWants()
    assert.deepEqual(
      again.map(({ id }) => id),
      ids,
    )
    assert.ok(again.every(({ wanted }) => !wanted.has(5) && wanted.count === 19))
    assert.deepEqual(driver.pass(1_000).takeWants(), [])
  })

  it('cancels wants when less is left than they would bring', () => {
    const driver = new LeecherDriver().add(3).hashes(3).join(HOME, 'home')
    assert.equal(driver.takeWants().length, 3)
    driver.peer(1, bits(3, [0, 1])).pass(1_000)
    assert.equal(driver.take('cancel').length, 2)
  })

  it('lets its wants wait as long as they must', () => {
    const driver = new LeecherDriver().add(3).join(HOME, 'home').clear().pass(600_000)
    assert.deepEqual(driver.seen('cancel'), [])
    assert.deepEqual(driver.seen('want'), [])
  })

  it('gives a want up that began and then stopped', () => {
    const driver = new LeecherDriver().add(3).join(HOME, 'home')
    const [want] = driver.takeWants()
    driver.pass(60_000).on({ type: 'began', id: want!.id, piece: 1 }).clear().pass(4_900)
    assert.deepEqual(driver.seen('cancel'), [])
    driver.pass(200)
    assert.deepEqual(
      driver.seen('cancel').map(({ id }) => id),
      [want!.id],
    )
    assert.equal(driver.leecher.outstanding, 0)
  })

  it('does not ask a neighbour for what the home has begun to send', () => {
    const driver = new LeecherDriver().add(2).hashes(2).join(HOME, 'home')
    const [want] = driver.takeWants()
    driver.on({ type: 'began', id: want!.id, piece: 0 }).peer(1, Bitfield.full(2))
    assert.deepEqual(
      driver.take('request').map(({ piece }) => piece),
      [1],
    )
  })

  it('takes a request back when the home sends that piece first, unless it has begun', () => {
    const driver = new LeecherDriver().add(20).hashes(20).join(HOME, 'home')
    const [want, other] = driver.takeWants()
    driver.peer(1, bits(20, [3, 4]))
    const [three, four] = driver.take('request')
    driver.on({ type: 'began', id: want!.id, piece: 3 })
    assert.deepEqual(
      driver.take('cancel').map(({ id }) => id),
      [three!.id],
    )
    driver.on({ type: 'began', id: four!.id, piece: 4 }).on({ type: 'began', id: other!.id, piece: 4 })
    assert.deepEqual(
      driver.take('cancel').map(({ id }) => id),
      [other!.id],
    )
    assert.equal(driver.leecher.outstanding, 2)
  })

  it('stops the home at once when it begins to send what is here already', () => {
    const driver = new LeecherDriver().add(20).hashes(20).join(HOME, 'home')
    const [want] = driver.takeWants()
    driver.stored(7, undefined).clear().on({ type: 'began', id: want!.id, piece: 7 })
    assert.deepEqual(
      driver.seen('cancel').map(({ id }) => id),
      [want!.id],
    )
    assert.equal(driver.leecher.outstanding, 0)
  })

  it('wants of the home what neighbours hold back, when no byte has come for a deadline', () => {
    const driver = new LeecherDriver()
      .add(1)
      .hashes(1)
      .peer(1, bits(1, [0]))
      .join(HOME, 'home')
    assert.deepEqual(driver.pass(4_900).takeWants(), [])
    const [want] = driver.pass(100).takeWants()
    assert.deepEqual(indexes(want!.wanted), [0])
    driver.on({ type: 'began', id: want!.id, piece: 0 })
    assert.equal(driver.take('cancel').length, 1)
  })

  it('leaves a home that refuses alone for a while', () => {
    const driver = new LeecherDriver().add(20).join(HOME, 'home')
    for (const { id } of driver.takeWants()) driver.on({ type: 'failed', id, reason: 'busy', queue: 50 })
    assert.deepEqual(driver.takeWants(), [])
    assert.equal(driver.pass(1_000).takeWants().length, 8)
  })

  it('asks for every blob, however long the home must wait for one of them', () => {
    const driver = new LeecherDriver().add(50, { order: 1 }).join(HOME, 'home')
    assert.equal(driver.takeWants().length, 8)
    driver.add(50, { order: 2 }, 2).join(HOME, 'home', 0, 2)
    assert.deepEqual(
      driver.takeWants().map(({ blob }) => blob),
      [2],
    )
  })

  it('never keeps more than a bounded number of wants there', () => {
    const driver = new LeecherDriver()
    for (const blob of range(1, 200)) driver.add(50, {}, blob).join(HOME, 'home', 0, blob)
    assert.ok(driver.takeWants().length <= 24)
  })
})

describe('a leecher and a parent', () => {
  it('asks for the lowest piece it is known to have, else for the lowest', () => {
    const driver = new LeecherDriver({ maxOutstanding: 3 }).add(10).hashes(1, 6).join(1, 'parent')
    assert.deepEqual(
      driver.take('request').map(({ piece }) => piece),
      [6, 0, 1],
    )
  })

  it('lets a request wait for what the parent does not have yet, and counts from when it has', () => {
    const driver = new LeecherDriver({ maxOutstanding: 1 }).add(10).join(1, 'parent')
    const [request] = driver.take('request')
    driver.pass(600_000)
    assert.deepEqual(driver.seen('cancel'), [])
    driver.hashes(1).pass(4_900)
    assert.deepEqual(driver.seen('cancel'), [])
    assert.deepEqual(
      driver
        .pass(300)
        .take('cancel')
        .map(({ id }) => id),
      [request!.id],
    )
  })
})
