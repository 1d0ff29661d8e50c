import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import type { SeederEffect, SeederEvent, SeederOptions } from '../../../src/scheduler/index.ts'
import { Seeder } from '../../../src/scheduler/index.ts'
import { bits, range } from './leecher-driver.ts'

class SeederDriver {
  readonly seeder: Seeder
  readonly have = new Bitfield(8)
  effects: SeederEffect[] = []

  constructor(options: Partial<SeederOptions> = {}, have: Iterable<number> = range(0, 8)) {
    this.seeder = new Seeder({ slots: 2, underWay: 8, queue: 4, parks: false, ...options })
    for (const piece of have) this.have.set(piece)
    this.seeder.addBlob(1, this.have)
  }

  on(event: SeederEvent): this {
    this.seeder.on(event, this.effects)
    return this
  }

  request(peer: number, id: number, piece: number, background: boolean = false): this {
    return this.on({ type: 'request', peer, id, blob: 1, piece, background })
  }

  want(peer: number, id: number, wanted: Iterable<number> = range(0, 8), blob: number = 1, background = false): this {
    return this.on({ type: 'want', peer, id, blob, wanted: bits(8, wanted), background })
  }

  written(peer: number, id: number): this {
    return this.on({ type: 'written', peer, id })
  }

  sent(peer: number, id: number, ok: boolean = true): this {
    return this.on({ type: 'sent', peer, id, ok })
  }

  /** [peer, id, piece] of the sends since the last look; forgets all effects. */
  sends(): number[][] {
    const found = this.effects.flatMap((e) => (e.type === 'send' ? [[e.peer, e.id, e.piece]] : []))
    this.effects = []
    return found
  }

  /** [peer, id, queue] of the refusals, likewise. */
  refusals(): number[][] {
    const found = this.effects.flatMap((e) => (e.type === 'busy' ? [[e.peer, e.id, e.queue]] : []))
    this.effects = []
    return found
  }
}

describe('a seeder', () => {
  it('sends as many pieces at a time as it has slots, the rest in turn', () => {
    const driver = new SeederDriver().request(1, 1, 0).request(2, 1, 1).request(3, 1, 2).request(4, 1, 3)
    assert.deepEqual(driver.sends(), [
      [1, 1, 0],
      [2, 1, 1],
    ])
    assert.equal(driver.seeder.sending, 2)
    assert.equal(driver.seeder.queueLength, 2)
    assert.deepEqual(driver.sent(2, 1).sends(), [[3, 1, 2]])
    assert.deepEqual(driver.sent(1, 1).sent(3, 1).sends(), [[4, 1, 3]])
    assert.equal(driver.sent(4, 1).seeder.sending, 0)
  })

  it('begins the next when one is written, though its receiver does not have it yet', () => {
    const driver = new SeederDriver({ slots: 1 }).request(1, 1, 0).request(2, 1, 1)
    assert.deepEqual(driver.sends(), [[1, 1, 0]])
    assert.deepEqual(driver.written(1, 1).sends(), [[2, 1, 1]])
    assert.equal(driver.seeder.sending, 2)
  })

  it('has no more under way than it may, however much is written', () => {
    const driver = new SeederDriver({ slots: 1, underWay: 2 })
    for (const peer of [1, 2, 3]) driver.request(peer, 1, 0)
    assert.equal(driver.written(1, 1).written(2, 1).sends().length, 2)
    assert.deepEqual(driver.sent(2, 1).sends(), [[3, 1, 0]])
  })

  // a slot given back twice would let two pieces be written at a time
  it('frees a slot once, whether a send is written, ends, fails, or its peer goes', () => {
    const driver = new SeederDriver({ slots: 1 })
    driver.request(1, 1, 0).written(1, 1).written(1, 1).sent(1, 1).request(2, 1, 1).sent(2, 1, false)
    driver.request(3, 1, 2).on({ type: 'peerGone', peer: 3 }).written(3, 1)
    driver.sends()
    for (const peer of [4, 5]) driver.request(peer, 1, 3)
    assert.deepEqual(driver.sends(), [[4, 1, 3]])
  })

  it('refuses requests beyond its queue, and says how long that is', () => {
    const driver = new SeederDriver()
    for (const peer of range(1, 9)) driver.request(peer, 1, 0)
    assert.deepEqual(driver.refusals(), [
      [7, 1, 4],
      [8, 1, 4],
    ])
  })

  it('gives peers turns, however much one of them asks for', () => {
    const driver = new SeederDriver({ slots: 1, queue: 64 })
    for (const id of range(1, 6)) driver.want(1, id)
    for (const peer of [2, 3]) driver.want(peer, 1)
    const order: number[] = []
    for (let next = driver.sends()[0]; next !== undefined; next = driver.sends()[0]) {
      order.push(next[0]!)
      driver.sent(next[0]!, next[1]!)
    }
    assert.deepEqual(order, [1, 1, 2, 3, 1, 1, 1])
  })

  it('sends at most two pieces to one peer at a time', () => {
    const driver = new SeederDriver({ slots: 8, queue: 8 })
    for (const id of range(1, 6)) driver.request(1, id, id)
    assert.equal(driver.sends().length, 2)
    assert.equal(driver.request(2, 1, 0).sends().length, 1)
  })

  it('refuses what it does not have, or lets it wait, as it is told to', () => {
    assert.deepEqual(new SeederDriver({}, []).request(1, 1, 5).refusals(), [[1, 1, 0]])
    const home = new SeederDriver({ parks: true }, []).request(1, 1, 5)
    assert.deepEqual(home.effects, [])
    home.have.set(4)
    assert.deepEqual(home.on({ type: 'available', blob: 1 }).sends(), [])
    home.have.set(5)
    assert.deepEqual(home.on({ type: 'available', blob: 1 }).sends(), [[1, 1, 5]])
  })

  it('refuses pieces and blobs there are none of, and wants of another length', () => {
    const driver = new SeederDriver({ parks: true }).request(1, 1, 8).request(1, 2, 1e9)
    driver.want(1, 3, [0], 77).on({ type: 'want', peer: 1, id: 4, blob: 1, wanted: new Bitfield(9), background: false })
    assert.deepEqual(
      driver.refusals().map(([, id]) => id),
      [1, 2, 3, 4],
    )
  })

  it('hands out every piece once before any twice, lowest first', () => {
    const driver = new SeederDriver({ slots: 1 })
    const given: number[] = []
    for (const peer of range(1, 13)) {
      const [sent] = driver.want(peer, 1).sends()
      given.push(sent![2]!)
      driver.sent(peer, 1)
    }
    assert.deepEqual(given, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3])
  })

  it('counts requests as handed out, too', () => {
    assert.deepEqual(new SeederDriver().request(1, 1, 0).want(2, 1).sends()[1], [2, 1, 1])
  })

  it('prefers what was never handed out among all blobs a peer wants', () => {
    const driver = new SeederDriver({ slots: 1 })
    driver.seeder.addBlob(2, Bitfield.full(8))
    driver.want(1, 1, [0]).sent(1, 1).want(9, 1, [7]).want(2, 1, [0]).want(2, 2, [3], 2).sends()
    const sends = driver.sent(9, 1).effects.map((effect) => effect.type === 'send' && [effect.blob, effect.piece])
    assert.deepEqual(sends, [[2, 3]])
  })

  it('gives only what is wanted and here, else waits', () => {
    const driver = new SeederDriver({}, [2]).want(1, 1, [3, 4])
    assert.deepEqual(driver.effects, [])
    driver.have.set(4)
    assert.deepEqual(driver.on({ type: 'available', blob: 1 }).sends(), [[1, 1, 4]])
  })

  it('takes news of a want without giving it another place or another answer', () => {
    const driver = new SeederDriver({ slots: 1 }).want(9, 1, [7]).want(1, 1).want(2, 1).want(1, 1, [6])
    assert.equal(driver.seeder.queueLength, 2)
    assert.deepEqual(driver.sent(9, 1).sends().slice(1), [[1, 1, 6]])
    // the news crosses the piece on the wire, before the sending ends and after
    driver.want(1, 1, [5, 6]).sent(1, 1).want(1, 1, [5, 6])
    assert.deepEqual(driver.sends(), [[2, 1, 0]])
    assert.equal(driver.seeder.queueLength, 0)
  })

  it('does not send a piece again to wants that crossed it', () => {
    const driver = new SeederDriver({ slots: 1 }, [0])
    driver.want(1, 1).sent(1, 1).sends()
    driver.have.set(1)
    assert.deepEqual(driver.want(1, 2, [0, 1]).sends(), [[1, 2, 1]])
    // unless it is all the peer wants
    assert.deepEqual(driver.sent(1, 2).want(1, 3, [0]).sends(), [[1, 3, 0]])
  })

  it('forgets what is cancelled', () => {
    const driver = new SeederDriver({ slots: 1 }).request(1, 1, 0).request(2, 1, 1).want(3, 1, [2])
    driver.on({ type: 'cancel', peer: 2, id: 1 }).on({ type: 'cancel', peer: 2, id: 9 }).sends()
    assert.deepEqual(driver.sent(1, 1).sends(), [[3, 1, 2]])
  })

  it('takes a piece back that did not arrive', () => {
    const driver = new SeederDriver({ slots: 1 })
    assert.deepEqual(driver.want(1, 1).sends(), [[1, 1, 0]])
    assert.deepEqual(driver.sent(1, 1, false).want(2, 1).sends(), [[2, 1, 0]])
    assert.deepEqual(driver.sent(2, 1, false).want(2, 2).sends(), [[2, 2, 0]])
  })

  it('frees all a lost peer held', () => {
    const driver = new SeederDriver().want(1, 1).want(1, 2).want(1, 3).want(2, 1)
    assert.equal(driver.sends().length, 2)
    assert.deepEqual(driver.on({ type: 'peerGone', peer: 1 }).sends(), [[2, 1, 0]])
    assert.equal(driver.seeder.queueLength, 0)
    // the sending itself ends later
    driver.sent(1, 1, false).sent(1, 2, false)
    assert.equal(driver.seeder.sending, 1)
  })

  it('lets no peer grow its queue without bound', () => {
    const driver = new SeederDriver({ parks: true, queue: 1e9 }, [])
    for (let id = 1; id <= 1_000; id++) driver.want(1, id)
    assert.equal(driver.seeder.queueLength, 32)
    assert.equal(driver.refusals().length, 968)
    assert.deepEqual(driver.want(2, 1).refusals(), [])
  })

  it('answers those who wait for a blob it no longer serves', () => {
    const driver = new SeederDriver({ slots: 1 }).want(9, 1, [7]).want(1, 1).want(2, 1)
    driver.effects = []
    driver.seeder.removeBlob(1, driver.effects)
    assert.deepEqual(
      driver.refusals().map(([peer]) => peer),
      [1, 2],
    )
    assert.deepEqual(driver.sent(9, 1, false).effects, [])
    assert.equal(driver.seeder.sending, 0)
  })
})

describe('a seeder that is asked for the background too', () => {
  /** One slot, taken: whatever follows waits. */
  const busy = (options: Partial<SeederOptions> = {}): SeederDriver => {
    const driver = new SeederDriver({ slots: 1, underWay: 1, queue: 40, ...options }).request(9, 1, 0)
    assert.deepEqual(driver.sends(), [[9, 1, 0]])
    return driver
  }

  it('serves what somebody waits for first, whoever asked first', () => {
    const driver = busy().request(1, 1, 1, true).want(2, 1, [2], 1, true).request(3, 1, 3).want(4, 1, [4])
    assert.deepEqual(driver.sent(9, 1).sends(), [[3, 1, 3]])
    assert.deepEqual(driver.sent(3, 1).sends(), [[4, 1, 4]])
    assert.deepEqual(driver.sent(4, 1).sends(), [[1, 1, 1]])
    assert.deepEqual(driver.sent(1, 1).sends(), [[2, 1, 2]])
  })

  it('does so for one peer that asks for both', () => {
    const driver = busy().request(1, 1, 1, true).request(1, 2, 2)
    assert.deepEqual(driver.sent(9, 1).sends(), [[1, 2, 2]])
    assert.deepEqual(driver.sent(1, 2).sends(), [[1, 1, 1]])
  })

  it('gives the background one piece in eight however much else there is: it must not take this host for dead', () => {
    const driver = busy({ parks: true })
    for (let id = 1; id <= 4; id++) driver.want(1, id, range(0, 8), 1, true)
    for (let id = 1; id <= 20; id++) driver.want(2, id)
    const peers: number[] = []
    for (let last = [9, 1]; peers.length < 17; ) {
      const [send] = driver.sent(last[0]!, last[1]!).sends()
      peers.push(send![0]!)
      last = send!
    }
    // the piece that took the slot at first was the first of seven
    assert.deepEqual(peers, [...Array(6).fill(2), 1, ...Array(7).fill(2), 1, 2, 2])
  })

  it('has one send at a time for the background beside pulls, and as many as there are slots without', () => {
    const driver = new SeederDriver({ slots: 6, queue: 40 }).request(9, 1, 0)
    for (let peer = 1; peer <= 6; peer++) driver.request(peer, 1, peer, true)
    assert.deepEqual(driver.sends(), [
      [9, 1, 0],
      [1, 1, 1],
    ])
    assert.deepEqual(driver.sent(1, 1).sends(), [[2, 1, 2]])
    const peers = driver
      .sent(9, 1)
      .sends()
      .map(([peer]) => peer)
    assert.deepEqual(peers, [3, 4, 5, 6])
  })

  it('refuses the last of the background, and no pull, when its queue is full', () => {
    const driver = busy({ queue: 2 }).request(1, 1, 1, true).request(2, 1, 2, true)
    assert.deepEqual(driver.request(3, 1, 3).refusals(), [[2, 1, 1]])
    assert.deepEqual(driver.request(4, 1, 4).refusals(), [[1, 1, 1]])
    assert.deepEqual(driver.request(5, 1, 5).refusals(), [[5, 1, 2]])
    assert.deepEqual(driver.request(6, 1, 6, true).refusals(), [[6, 1, 2]])
    assert.deepEqual(driver.sent(9, 1).sends(), [[3, 1, 3]])
  })

  it('moves a want up when its peer says that somebody waits for it now', () => {
    const driver = busy({ parks: true }).want(1, 1, [1], 1, true).want(2, 1, [2], 1, true).want(2, 1, [2])
    assert.deepEqual(driver.sent(9, 1).sends(), [[2, 1, 2]])
    assert.deepEqual(driver.sent(2, 1).sends(), [[1, 1, 1]])
    assert.equal(driver.sent(1, 1).seeder.queueLength, 0)
  })
})
