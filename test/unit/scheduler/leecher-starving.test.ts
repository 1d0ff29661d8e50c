import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import { bits, LeecherDriver } from './leecher-driver.ts'

/** Four pieces of 1 MiB with known hashes, and a home to have them of. */
const fromHome = (): LeecherDriver =>
  new LeecherDriver()
    .add(4, { pieceBytes: 2 ** 20 })
    .hashes(4)
    .join(9, 'home')

describe('a leecher without sources', () => {
  it('looks for peers soon, then less and less often', () => {
    const driver = new LeecherDriver().add(4)
    const times: number[] = []
    for (let i = 0; i < 600; i++) {
      if (driver.pass(100).take('findPeers').length > 0) times.push(driver.now - 1_000)
    }
    assert.deepEqual(times.slice(0, 4), [500, 1_500, 3_500, 7_500])
    assert.ok(times.every((time, i) => i === 0 || time - times[i - 1]! <= 15_000))
  })

  it('looks for none where there is no swarm, or when four bring something', () => {
    assert.deepEqual(new LeecherDriver().add(4, { swarm: false }).pass(5_000).seen('findPeers'), [])
    const fed = new LeecherDriver().add(100).hashes(100)
    for (const source of [1, 2, 3, 4]) fed.peer(source, Bitfield.full(100))
    for (let i = 0; i < 20; i++) {
      const { id, piece } = fed.take('request')[0]!
      fed.stored(piece, id).pass(100)
    }
    assert.deepEqual(fed.seen('findPeers'), [])
  })

  it('says ever less often that nothing comes of what somebody has', () => {
    assert.equal(new LeecherDriver().add(4).hashes(1).pass(51_000).seen('stalled').length, 3)
  })

  it('waits for a home that waits itself, for longer than that would go on with a failing origin', () => {
    const driver = new LeecherDriver().add(4).join(9, 'home')
    assert.deepEqual(driver.pass(70_000).seen('stalled'), [])
    assert.equal(driver.pass(5_100).seen('stalled').length, 1)
  })

  it('takes a trickle for a standstill', () => {
    const driver = fromHome()
    const { id } = driver.takeWants()[0]!
    driver.on({ type: 'began', id, piece: 0 })
    for (let i = 0; i < 11; i++) driver.pass(1_000).on({ type: 'progress', id, bytes: 1_024 })
    assert.equal(driver.seen('stalled').length, 1)
  })

  it('passes over a home that has begun a piece and does not go on sooner than one that says nothing', () => {
    const driver = fromHome()
    const { id } = driver.takeWants()[0]!
    driver.pass(2_000).on({ type: 'began', id, piece: 0 })
    assert.deepEqual(driver.pass(3_900).seen('stalled'), [])
    assert.equal(driver.pass(100).seen('stalled').length, 1)
    // the next home has its own time, from its own beginning on
    driver.on({ type: 'sourceLeft', source: 9, blob: 1 }).join(10, 'home')
    assert.equal(driver.pass(9_000).seen('stalled').length, 1)
  })

  it('passes over a home for all its blobs when one of them does not go on', () => {
    const driver = fromHome()
      .add(4, { pieceBytes: 2 ** 20 }, 2)
      .hashes(4, 0, 2)
      .join(9, 'home', 0, 2)
    const { id } = driver.takeWants().find(({ blob }) => blob === 1)!
    driver.pass(1_000).on({ type: 'began', id, piece: 0 })
    // a third one comes to it later, and gives it the same time
    driver
      .pass(2_000)
      .add(4, { pieceBytes: 2 ** 20 }, 3)
      .hashes(4, 0, 3)
      .join(9, 'home', 0, 3)
    assert.deepEqual(driver.pass(1_900).seen('stalled'), [])
    const stalled = (): number[] => driver.take('stalled').map(({ blob }) => blob)
    assert.deepEqual(driver.pass(100) && stalled(), [1, 2])
    for (const blob of [1, 2]) driver.on({ type: 'sourceLeft', source: 9, blob })
    assert.deepEqual(driver.pass(1_900) && stalled(), [])
    assert.deepEqual(driver.pass(100) && stalled(), [3])
  })

  it('waits for a home that sends pieces of another blob, but not for ever', () => {
    const driver = fromHome()
      .add(40, { pieceBytes: 2 ** 20 }, 2)
      .hashes(40, 0, 2)
      .join(9, 'home', 0, 2)
    const wants = driver.takeWants()
    driver.on({ type: 'began', id: wants.find(({ blob }) => blob === 1)!.id, piece: 0 })
    const other = wants.find(({ blob }) => blob === 2)!.id
    driver.on({ type: 'began', id: other, piece: 0 })
    const second = (): unknown => driver.pass(1_000).on({ type: 'progress', id: other, bytes: 2 ** 16 })
    for (let i = 0; i < 70; i++) second()
    assert.deepEqual(driver.seen('stalled'), [])
    for (let i = 0; i < 10; i++) second()
    assert.deepEqual(new Set(driver.seen('stalled').map(({ blob }) => blob)), new Set([1]))
  })

  it('passes over a home that neither answers nor sends, and not one that sends', () => {
    const mute = (driver: LeecherDriver): LeecherDriver => driver.on({ type: 'sourceMute', source: 9 })
    const driver = mute(fromHome().pass(3_900))
    assert.deepEqual(driver.seen('stalled'), [])
    assert.equal(driver.pass(100).seen('stalled').length, 1)
    const sending = fromHome()
    for (const piece of [0, 1, 2]) mute(sending.stored(piece, sending.takeWants()[0]?.id)).pass(3_900)
    assert.deepEqual(sending.seen('stalled'), [])
  })

  it('waits for a home that goes on with what it has begun', () => {
    const driver = fromHome()
    const { id } = driver.takeWants()[0]!
    driver.on({ type: 'began', id, piece: 0 })
    for (let i = 0; i < 10; i++) driver.pass(2_000).on({ type: 'progress', id, bytes: 2 ** 16 })
    assert.deepEqual(driver.seen('stalled'), [])
  })

  it('is not stalled while its reader has what the window allows', () => {
    const window = bits(10, [0, 1])
    const driver = new LeecherDriver().add(10, { window, have: bits(10, [0, 1]) }).hashes(10)
    assert.deepEqual(driver.pass(30_000).seen('stalled'), [])
    window.set(2)
    driver.on({ type: 'cursor', blob: 1, piece: 1 })
    assert.deepEqual(driver.pass(9_900).seen('stalled'), [])
    assert.equal(driver.pass(100).seen('stalled').length, 1)
  })
})
