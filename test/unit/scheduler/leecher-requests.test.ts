import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import { bits, LeecherDriver, range } from './leecher-driver.ts'

const asked = (driver: LeecherDriver): number[] => driver.take('request').map(({ piece }) => piece)
describe('a leecher asks its neighbours', () => {
  it('for the lowest missing piece first, once enough of them have it', () => {
    const driver = new LeecherDriver({ maxOutstanding: 3 }).add(10, { have: bits(10, [0, 2]) }).hashes(10)
    // three holders that cannot be asked (nothing is said of them but bits) and one that can
    for (const source of [1, 2, 3, 4]) driver.peer(source, Bitfield.full(10), { distance: source })
    driver.clear().on({ type: 'sourceLeft', source: 1, blob: undefined })
    assert.deepEqual(new Set(asked(driver)), new Set([1, 3, 4].slice(0, 3)))
  })

  it('for more small pieces at a time than large ones, and for no more bytes', () => {
    const limits = { maxOutstanding: 3, maxOutstandingBytes: 100, perSource: 9, smallOutstanding: 8, smallBytes: 12 }
    const outstanding = (...pieceBytes: number[]): number[] => {
      const driver = new LeecherDriver(limits)
      for (const [i, bytes] of pieceBytes.entries()) {
        driver.add(9, { pieceBytes: bytes }, i + 1).hashes(9, 0, i + 1)
        driver.peer(1, Bitfield.full(9), { blob: i + 1 })
      }
      return driver.take('request').map(({ blob }) => pieceBytes[blob - 1]!)
    }
    assert.deepEqual(outstanding(1), Array(8).fill(1))
    assert.deepEqual(outstanding(2), Array(6).fill(2))
    assert.deepEqual(outstanding(5), Array(3).fill(5))
    // of several blobs together, too
    assert.deepEqual(outstanding(4, 1), [4, 4, 4])
  })

  it('for rare pieces before common ones, the rarest first', () => {
    const driver = new LeecherDriver({ maxOutstanding: 8, perSource: 8 }).add(8)
    driver.peer(1, Bitfield.full(8))
    driver
      .peer(2, bits(8, [0, 1, 2, 3, 4, 5, 6]))
      .peer(3, bits(8, [0, 1, 2, 3, 4]))
      .peer(4, bits(8, [0, 1]))
    // 7 has one holder, 5 and 6 have two, 2-4 three, 0 and 1 four
    for (const source of [2, 3, 4]) {
      driver.on({ type: 'sourceHas', source, blob: 1, pieces: [], queue: 100 })
    }
    assert.deepEqual(asked(driver.hashes(8)), [7, 5, 6, 0, 1, 2, 3, 4])
  })

  it('for what has become rare since a holder left', () => {
    const driver = new LeecherDriver({ maxOutstanding: 1 }).add(4)
    for (const source of [1, 2, 3, 4]) driver.peer(source, bits(4, source < 4 ? [0, 3] : [0, 3, 1, 2]))
    for (const source of [2, 3]) driver.on({ type: 'sourceLeft', source, blob: 1 })
    driver.peer(5, bits(4, [0, 1, 2])).peer(6, bits(4, [1, 2]), { distance: 1 })
    driver.on({ type: 'sourceHas', source: 1, blob: 1, pieces: [], queue: 9 })
    driver.on({ type: 'sourceHas', source: 5, blob: 1, pieces: [], queue: 9 })
    driver.on({ type: 'sourceHas', source: 6, blob: 1, pieces: [], queue: 9 })
    // 3 has two holders left, all others three
    assert.deepEqual(asked(driver.hashes(4)), [3])
  })

  it('of others, whom it asks for at once when neighbours part with it and few are left', () => {
    const driver = new LeecherDriver().add(4)
    const parted = (...sources: number[]): number => {
      for (const source of sources) driver.on({ type: 'sourceLeft', source, blob: 1 })
      return driver.take('findPeers').length
    }
    for (let source = 1; source <= 12; source++) driver.peer(source, bits(4, []))
    assert.equal(parted(1, 2), 0)
    // many that leave together are one reason
    assert.equal(parted(3, 4, 5), 1)
    driver.now += 40
    assert.equal(parted(6), 1)
    // where they leave all the time, it is asked ever less often
    driver.now += 40
    assert.equal(parted(7), 0)
    driver.now += 120
    assert.equal(parted(8), 1)
    driver.join(20, 'home')
    assert.equal(parted(20), 0)
  })

  it('of others once more when neighbours have left since it asked, unless others have come instead', () => {
    const driver = new LeecherDriver().add(4)
    for (let source = 1; source <= 12; source++) driver.peer(source, bits(4, []))
    for (let source = 1; source <= 5; source++) driver.on({ type: 'sourceLeft', source, blob: 1 })
    assert.equal(driver.take('findPeers').length, 1)
    assert.equal(driver.pass(100).take('findPeers').length, 1)
    assert.equal(driver.pass(300).take('findPeers').length, 0)
    for (let source = 6; source <= 8; source++) driver.on({ type: 'sourceLeft', source, blob: 1 })
    assert.equal(driver.take('findPeers').length, 1)
    for (let source = 13; source <= 20; source++) driver.peer(source, bits(4, []))
    assert.equal(driver.pass(100).take('findPeers').length, 0)
  })

  it('never for a piece whose hash is unknown', () => {
    const driver = new LeecherDriver().add(4).peer(1, Bitfield.full(4))
    assert.deepEqual(asked(driver), [])
    assert.deepEqual(asked(driver.hashes(1, 2)), [2])
  })

  it('for no more than its limit over all sources and blobs', () => {
    const driver = new LeecherDriver({ maxOutstanding: 5 }).add(50, {}, 1).add(50, {}, 2).hashes(50).hashes(50, 0, 2)
    for (const source of range(1, 9)) {
      driver.peer(source, Bitfield.full(50)).peer(source, Bitfield.full(50), { blob: 2 })
    }
    assert.equal(driver.seen('request').length, 5)
    assert.equal(driver.leecher.outstanding, 5)
    const [first] = driver.take('request')
    driver.stored(first!.piece, first!.id)
    assert.equal(driver.take('request').length, 1)
  })

  it('at most twice at one source where there are others, the whole limit where there is none', () => {
    const alone = new LeecherDriver().add(50).hashes(50).peer(1, Bitfield.full(50))
    assert.equal(alone.take('request').length, 8)
    const many = new LeecherDriver().add(50).hashes(50)
    for (const source of range(1, 9)) many.join(source, 'peer')
    many.peer(1, Bitfield.full(50))
    assert.equal(many.take('request').length, 2)
  })

  it('the nearest and least loaded first', () => {
    const driver = new LeecherDriver({ maxOutstanding: 1 }).add(9)
    driver.peer(1, Bitfield.full(9), { queue: 3 }).peer(2, Bitfield.full(9), { distance: 4 })
    driver.peer(3, Bitfield.full(9), { queue: 1, distance: 1 }).hashes(9)
    assert.deepEqual(
      driver.take('request').map(({ source }) => source),
      [3],
    )
  })

  it('for blobs of a lower order first', () => {
    const driver = new LeecherDriver({ maxOutstanding: 3, perSource: 3 })
    driver.add(2, { order: 5 }, 1).add(2, { order: 1 }, 2)
    driver.peer(1, Bitfield.full(2)).peer(1, Bitfield.full(2), { blob: 2 }).hashes(2, 0, 2)
    driver.hashes(2)
    assert.deepEqual(
      driver.take('request').map(({ blob, piece }) => [blob, piece]),
      [
        [2, 0],
        [2, 1],
        [1, 0],
      ],
    )
  })

  it('within the window only, as it moves', () => {
    const window = bits(20, [0, 1, 2])
    const driver = new LeecherDriver().add(20, { window, swarm: false }).hashes(20).peer(1, Bitfield.full(20))
    assert.deepEqual(asked(driver), [0, 1, 2])
    window.clearAll()
    for (const piece of [10, 11, 12]) window.set(piece)
    assert.deepEqual(asked(driver.on({ type: 'cursor', blob: 1, piece: 10 })), [10, 11, 12])
  })

  it('elsewhere when one is busy, and that one again after a pause', () => {
    const driver = new LeecherDriver()
      .add(1)
      .hashes(1)
      .peer(1, Bitfield.full(1))
      .peer(2, Bitfield.full(1), { queue: 9 })
    const [first] = driver.take('request')
    assert.equal(first?.source, 1)
    driver.on({ type: 'failed', id: first.id, reason: 'busy', queue: 4 })
    const [second] = driver.take('request')
    assert.equal(second?.source, 2)
    driver.on({ type: 'failed', id: second.id, reason: 'busy', queue: 4 })
    assert.deepEqual(driver.take('request'), [])
    assert.equal(driver.pass(100).take('request').length, 1)
  })

  it('elsewhere when one sent wrong bytes, and never the same one in a hurry', () => {
    const driver = new LeecherDriver().add(1).hashes(1).peer(1, Bitfield.full(1))
    const [first] = driver.take('request')
    driver.on({ type: 'failed', id: first!.id, reason: 'corrupt', queue: 0 })
    assert.deepEqual(asked(driver), [])
    driver.peer(2, Bitfield.full(1))
    assert.deepEqual(
      driver.take('request').map(({ source }) => source),
      [2],
    )
  })

  it('for everything again that a lost neighbour was to bring', () => {
    const driver = new LeecherDriver().add(2).hashes(2).peer(1, Bitfield.full(2)).peer(2, new Bitfield(2))
    assert.equal(driver.take('request').length, 2)
    driver.on({ type: 'sourceHas', source: 2, blob: 1, pieces: [0, 1], queue: 0 })
    driver.on({ type: 'sourceLeft', source: 1, blob: undefined })
    assert.equal(driver.seen('cancel').length, 2)
    assert.deepEqual(
      driver.take('request').map(({ source, piece }) => [source, piece]),
      [
        [2, 0],
        [2, 1],
      ],
    )
  })

  it('for pieces that were dropped, again', () => {
    const driver = new LeecherDriver()
      .add(2, { have: Bitfield.full(2) })
      .hashes(2)
      .peer(1, Bitfield.full(2))
    assert.equal(driver.take('complete').length, 1)
    assert.deepEqual(asked(driver.on({ type: 'dropped', blob: 1, pieces: [1] })), [1])
  })
})

describe('a leecher loses patience', () => {
  /** Eight neighbours with everything; each request at its own source, nothing ever answered. */
  const silent = (): LeecherDriver => {
    const driver = new LeecherDriver({ maxOutstanding: 8, perSource: 1 }).add(100).hashes(100)
    for (const source of range(1, 9)) driver.join(source, 'peer')
    for (const source of range(1, 9)) driver.peer(source, Bitfield.full(100))
    return driver
  }

  it('only after the deadline, and cancels what is late', () => {
    const driver = silent().clear().pass(5_000)
    assert.deepEqual(driver.seen('cancel'), [])
    assert.equal(driver.pass(100).seen('cancel').length, 8)
  })

  it('not while bytes arrive', () => {
    const driver = silent()
    const ids = driver.take('request').map(({ id, piece }) => ({ id, piece }))
    for (const { id, piece } of ids) driver.on({ type: 'began', id, piece })
    for (let i = 0; i < 10; i++) {
      driver.pass(2_000)
      for (const { id } of ids) driver.on({ type: 'progress', id, bytes: 65_536 })
    }
    assert.deepEqual(driver.seen('cancel'), [])
  })

  it('once, however many requests of one source are overdue', () => {
    const driver = new LeecherDriver({ maxOutstanding: 2, perSource: 2 }).add(100).hashes(100)
    for (const source of range(1, 7)) driver.join(source, 'peer')
    driver.peer(1, Bitfield.full(100)).clear().pass(5_100)
    assert.deepEqual(
      driver.take('cancel').map(({ source }) => source),
      [1, 1],
    )
    assert.deepEqual(driver.pass(1_900).take('request'), [])
    assert.equal(driver.pass(100).take('request').length, 2)
  })

  it('and passes over a third of the sources at most, for a while', () => {
    const driver = silent().clear().pass(5_100)
    const requests = driver.take('request')
    const sources = new Set(requests.map(({ source }) => source))
    const skipped = range(1, 9).filter((source) => !sources.has(source))
    assert.equal(skipped.length, 2)
    for (const { piece, id } of requests.slice(0, 4)) driver.stored(piece, id)
    assert.ok(driver.seen('request').every(({ source }) => !skipped.includes(source)))
    driver.clear().pass(2_000)
    for (const { piece, id } of requests.slice(4)) driver.stored(piece, id)
    const again = driver.take('request').map(({ source }) => source)
    for (const source of skipped) assert.ok(again.includes(source))
  })
})

describe('a leecher near the end', () => {
  it('asks one other neighbour for an overdue piece, and cancels the loser', () => {
    const driver = new LeecherDriver({ maxOutstanding: 2, perSource: 2 }).add(1).hashes(1)
    for (const source of [1, 2, 3]) driver.peer(source, Bitfield.full(1))
    const [first] = driver.take('request')
    driver.pass(1_000)
    const [second, ...more] = driver.take('request')
    assert.ok(first !== undefined && second !== undefined)
    assert.notEqual(second.source, first.source)
    assert.deepEqual(more, [])
    driver.stored(0, second.id)
    assert.deepEqual(
      driver.seen('cancel').map(({ id, source }) => [id, source]),
      [[first.id, first.source]],
    )
    assert.equal(driver.seen('complete').length, 1)
    assert.equal(driver.leecher.outstanding, 0)
  })

  it('asks nobody twice while much is missing', () => {
    const driver = new LeecherDriver({ maxOutstanding: 2 }).add(50).hashes(50)
    for (const source of [1, 2, 3]) driver.peer(source, Bitfield.full(50))
    assert.equal(driver.take('request').length, 2)
    assert.deepEqual(driver.pass(1_400).take('request'), [])
  })

  it('says once that a blob is complete, also one that was when it came', () => {
    const driver = new LeecherDriver().add(1, { have: Bitfield.full(1) }).pass(20_000)
    assert.deepEqual(driver.effects, [{ type: 'complete', blob: 1 }])
  })
})

describe('a leecher that loses a blob', () => {
  it('cancels all of it and nothing else', () => {
    const driver = new LeecherDriver().add(50).add(50, {}, 2).hashes(50)
    driver.peer(1, Bitfield.full(50)).join(9, 'home').join(9, 'home', 0, 2)
    driver.on({ type: 'originOpen', blob: 1, ranges: 2 })
    const begun = [...driver.seen('request'), ...driver.takeWants()].filter(({ blob }) => blob === 1)
    const ranges = driver.seen('fetch').map(({ range }) => range)
    driver.clear().on({ type: 'blobRemoved', blob: 1 })
    assert.deepEqual(new Set(driver.seen('cancel').map(({ id }) => id)), new Set(begun.map(({ id }) => id)))
    assert.deepEqual(
      driver.seen('cancelFetch').map(({ range }) => range),
      ranges,
    )
    assert.equal(driver.leecher.outstanding, 0)
    assert.deepEqual(driver.clear().pass(1_000).seen('request'), [])
  })

  it('pays no heed to what comes late, or never was', () => {
    const driver = new LeecherDriver().add(2).hashes(2).peer(1, Bitfield.full(2))
    const [request] = driver.take('request')
    driver.on({ type: 'blobRemoved', blob: 1 }).clear()
    driver.on({ type: 'began', id: request!.id, piece: 0 }).on({ type: 'progress', id: request!.id, bytes: 65_536 })
    driver.stored(0, request!.id).on({ type: 'failed', id: 77, reason: 'lost', queue: 0 })
    driver.on({ type: 'fetchEnded', range: 5, failure: undefined }).on({ type: 'sourceLeft', source: 5, blob: 1 })
    driver.on({ type: 'sourceHas', source: 5, blob: 9, pieces: [1e9, -1], queue: 0 })
    assert.deepEqual(driver.effects, [])
    assert.equal(driver.leecher.outstanding, 0)
  })

  it('starts afresh when the blob comes again', () => {
    const driver = new LeecherDriver().add(2).hashes(2).peer(1, Bitfield.full(2)).add(2)
    assert.equal(driver.leecher.outstanding, 0)
    driver.clear().peer(1, Bitfield.full(2)).hashes(2)
    assert.deepEqual(asked(driver), [0, 1])
  })
})
