import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PeerSetEffect, PeerSetEvent, Place } from '../../../src/scheduler/index.ts'
import { answerOfWhole, NEIGHBOURS_MOST, oneTooMany, PeerSet, placeHash } from '../../../src/scheduler/index.ts'
import { bits, indexes } from './leecher-driver.ts'

const BLOB = 1
const PIECES = 8
const SELF = place('self')

function place(name: string, zone: string | null = null): Place {
  return { zone, hash: placeHash(name) }
}

class PeerSetDriver {
  readonly peers = new PeerSet()
  effects: PeerSetEffect[] = []

  constructor(self: Place = SELF) {
    this.on({ type: 'blobAdded', blob: BLOB, have: bits(PIECES, [0]), self })
  }

  on(event: PeerSetEvent): this {
    this.peers.on(event, this.effects)
    return this
  }

  take(): PeerSetEffect[] {
    const taken = this.effects
    this.effects = []
    return taken
  }

  meet(peer: number, zone: string | null = null): this {
    return this.on({ type: 'met', blob: BLOB, peer, place: place(`host-${peer}`, zone) })
  }

  says(peer: number, has: readonly number[]): this {
    const where = place(`host-${peer}`)
    return this.on({ type: 'bits', blob: BLOB, peer, place: where, bits: bits(PIECES, has), queue: 0 })
  }

  store(...pieces: number[]): this {
    for (const piece of pieces) this.on({ type: 'stored', blob: BLOB, piece })
    return this
  }
}

/** What is said, and to whom; what the leecher hears. */
function shortly(effects: readonly PeerSetEffect[]): string[] {
  return effects.flatMap((effect) => {
    if (effect.type === 'wake') return []
    if (effect.type !== 'leecher') return [`${effect.type} ${effect.peer}`]
    const { event } = effect
    return [`${event.type} ${'source' in event ? event.source : ''}`]
  })
}

describe('a peer set makes neighbours', () => {
  it('of those that are met: they are told what is here', () => {
    assert.deepEqual(shortly(new PeerSetDriver().meet(1).take()), ['sourceJoined 1', 'tellBits 1'])
  })

  it('of those that say what they have: they are answered in kind, once', () => {
    const driver = new PeerSetDriver().says(1, [3])
    assert.deepEqual(shortly(driver.take()), ['sourceJoined 1', 'tellBits 1', 'sourceBits 1'])
    assert.deepEqual(shortly(driver.says(1, [3, 4]).take()), ['sourceBits 1'])
    assert.deepEqual(shortly(driver.meet(1).take()), [])
  })

  it('farther than others where they are of another zone', () => {
    const distances = new PeerSetDriver(place('self', 'a')).meet(1, 'a').meet(2, 'b').take()
    const joined = distances.flatMap((effect) =>
      effect.type === 'leecher' && effect.event.type === 'sourceJoined' ? [effect.event.distance] : [],
    )
    assert.ok(joined[0]! < joined[1]!, String(joined))
  })

  it('no more than there may be: it parts with the farthest, which may be the newcomer', () => {
    const driver = new PeerSetDriver()
    const met: { peer: number; zone: null; hash: number }[] = []
    for (let peer = 1; peer <= 40; peer++) {
      const before = driver.peers.size(BLOB)
      driver.take()
      driver.meet(peer)
      met.push({ peer, zone: null, hash: placeHash(`host-${peer}`) })
      if (before < NEIGHBOURS_MOST) continue
      const out = oneTooMany(SELF, met)!
      met.splice(met.indexOf(out), 1)
      const said = shortly(driver.take())
      assert.equal(said.includes(`part ${out.peer}`), true, said.join())
      assert.equal(said.includes(`tellBits ${peer}`), out.peer !== peer, said.join())
    }
    assert.equal(driver.peers.size(BLOB), NEIGHBOURS_MOST)
  })

  it('never of one that has sent wrong bytes, for this blob', () => {
    const driver = new PeerSetDriver().meet(1)
    driver.take()
    assert.deepEqual(shortly(driver.on({ type: 'lied', blob: BLOB, peer: 1 }).take()), ['sourceLeft 1', 'part 1'])
    assert.deepEqual(shortly(driver.meet(1).says(1, [3]).take()), [])
    driver.on({ type: 'blobAdded', blob: 2, have: bits(PIECES, []), self: SELF })
    driver.on({ type: 'met', blob: 2, peer: 1, place: place('host-1') })
    assert.equal(driver.peers.size(2), 1)
  })

  it('of nobody for a blob that is not fetched: who asks is told to look elsewhere', () => {
    const driver = new PeerSetDriver()
    driver.on({ type: 'blobRemoved', blob: BLOB, leaves: false })
    assert.deepEqual(shortly(driver.says(1, []).take()), ['leave 1'])
    assert.deepEqual(shortly(driver.meet(1).take()), [])
  })
})

describe('a peer set tells neighbours', () => {
  it('of a new piece at once, of later ones together, and of none that they have', () => {
    const driver = new PeerSetDriver().says(1, [5]).says(2, [])
    driver.on({ type: 'have', blob: BLOB, peer: 2, pieces: [6], queue: 1 })
    driver.take()
    const first = driver.store(4).take()
    assert.deepEqual(shortly(first), ['tellHave 1', 'tellHave 2'])
    driver.store(5)
    assert.deepEqual(shortly(driver.take()), [])
    const full = driver.store(6).take()
    const news = full.flatMap((effect) => (effect.type === 'tellHave' ? [[effect.peer, ...effect.pieces]] : []))
    assert.deepEqual(news, [
      [1, 6],
      [2, 5],
    ])
  })

  it('what has gathered when its time has come, and nothing after the end', () => {
    const driver = new PeerSetDriver().meet(1)
    driver.take()
    const [wake] = driver.store(4, 5).take()
    assert.equal(wake?.type, 'wake')
    assert.deepEqual(shortly(driver.on(wake as Extract<PeerSetEffect, { type: 'wake' }>).take()), ['tellHave 1'])
    driver.store(6)
    driver.on({ type: 'blobRemoved', blob: BLOB, leaves: false }).on({ type: 'flush', blob: BLOB })
    assert.deepEqual(shortly(driver.take()), [])
  })

  it('that there is nothing to be had here any more, where that is so', () => {
    const driver = new PeerSetDriver().meet(1).meet(2)
    driver.take()
    driver.on({ type: 'blobRemoved', blob: BLOB, leaves: true })
    assert.deepEqual(shortly(driver.take()), ['leave 1', 'leave 2'])
  })
})

describe('a peer set forgets', () => {
  it('who parts, leaves, or whose link ends', () => {
    const driver = new PeerSetDriver().meet(1).meet(2).meet(3)
    driver.take()
    driver.on({ type: 'parted', blob: BLOB, peer: 1 }).on({ type: 'left', blob: BLOB, peer: 2 })
    driver.on({ type: 'gone', peer: 3 })
    assert.deepEqual(shortly(driver.take()), ['sourceLeft 1', 'sourceLeft 2', 'sourceLeft 3'])
    assert.equal(driver.peers.size(BLOB), 0)
  })

  it('nothing the leecher knows of one that was no neighbour and parts', () => {
    assert.deepEqual(shortly(new PeerSetDriver().on({ type: 'parted', blob: BLOB, peer: 9 }).take()), [])
  })

  it('what strangers say they have', () => {
    const driver = new PeerSetDriver().on({ type: 'have', blob: BLOB, peer: 9, pieces: [1], queue: 0 })
    assert.deepEqual(shortly(driver.take()), [])
  })
})

describe('a host that has the whole', () => {
  it('answers who lacks some of it, and no other that has all: they would never end', () => {
    assert.equal(answerOfWhole(true, bits(PIECES, [1])), 'tellBits')
    assert.equal(answerOfWhole(true, bits(PIECES, indexes({ length: PIECES, has: () => true }))), 'nothing')
    assert.equal(answerOfWhole(true, undefined), 'nothing')
  })

  it('says so when it has it no longer', () => assert.equal(answerOfWhole(false, bits(PIECES, [1])), 'leave'))
})
