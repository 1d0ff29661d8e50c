import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TrackerEffect, TrackerEvent } from '../../../src/scheduler/index.ts'
import { Tracker } from '../../../src/scheduler/index.ts'
import { bits } from './leecher-driver.ts'

const BLOB = 1
const MINUTE_MS = 60_000

class TrackerDriver {
  readonly tracker = new Tracker()
  now = 0
  effects: TrackerEffect[] = []

  on(event: TrackerEvent): this {
    this.tracker.on(event, this.now, this.effects)
    return this
  }

  /** The effects of one type since the last look. */
  take<T extends TrackerEffect['type']>(type: T): Extract<TrackerEffect, { type: T }>[] {
    const taken = this.effects
    this.effects = []
    return taken.filter((effect): effect is Extract<TrackerEffect, { type: T }> => effect.type === type)
  }

  /** A host of the name `host-<peer>` takes part. Returns whom it is to meet. */
  join(peer: number, { blob = BLOB, name = `host-${peer}` } = {}): readonly number[] {
    this.on({ type: 'joined', blob, peer, member: { id: name, zone: null }, has: undefined })
    return this.take('introduce').flatMap(({ peers }) => peers)
  }

  store(...pieces: number[]): this {
    for (const piece of pieces) this.on({ type: 'stored', blob: BLOB, piece })
    return this
  }

  told(): (readonly number[] | undefined)[] {
    return this.take('tellHashes').map(({ pieces }) => pieces)
  }
}

describe('a tracker introduces', () => {
  it('who joins to the others, never to itself', () => {
    const driver = new TrackerDriver()
    assert.deepEqual(driver.join(1), [])
    assert.deepEqual(driver.join(2), [1])
    assert.deepEqual([...driver.join(3)].sort(), [1, 2])
  })

  it('and says how many take part, however often they ask', () => {
    const driver = new TrackerDriver()
    for (const peer of [1, 2, 3]) driver.join(peer)
    driver.on({ type: 'joined', blob: BLOB, peer: 3, member: { id: 'host-3', zone: null }, has: undefined })
    assert.deepEqual(
      driver.take('introduce').map(({ members }) => members),
      [3],
    )
  })

  it('a few of many', () => {
    const driver = new TrackerDriver()
    for (let peer = 1; peer <= 100; peer++) driver.join(peer)
    const peers = driver.join(101)
    assert.ok(peers.length >= 4 && peers.length <= 16, `${peers.length} neighbours`)
  })

  it('a host that has come back by another link by that link', () => {
    const driver = new TrackerDriver()
    driver.join(1, { name: 'a' })
    driver.join(2, { name: 'a' })
    driver.on({ type: 'gone', peer: 1 })
    assert.deepEqual(driver.tracker.members(BLOB), [2])
    assert.deepEqual(driver.join(3), [2])
  })
})

describe('a tracker tells its members', () => {
  it('the first hash at once, later ones together', () => {
    const driver = new TrackerDriver()
    driver.join(1)
    driver.store(0, 1)
    const [wake] = driver.effects.filter((effect) => effect.type === 'wake')
    assert.deepEqual(driver.told(), [[0]])
    driver.on(wake!)
    assert.deepEqual(driver.told(), [[1]])
  })

  it('nothing while nobody takes part', () => {
    assert.deepEqual(new TrackerDriver().store(0, 1).effects, [])
  })

  it('what somebody waits for at once', () => {
    const driver = new TrackerDriver()
    driver.join(1)
    driver.on({ type: 'urgent', blob: BLOB, first: 7, count: 1 }).store(0, 1, 7)
    assert.deepEqual(driver.told(), [[0], [1, 7]])
  })

  it('of no more urgent pieces than there is room for', () => {
    const driver = new TrackerDriver()
    driver.join(1)
    driver.on({ type: 'urgent', blob: BLOB, first: 0, count: 100_000 }).store(0, 50_000)
    assert.deepEqual(driver.told(), [[0]])
  })

  it('hashes until they leave or their link ends', () => {
    const driver = new TrackerDriver()
    for (const peer of [1, 2, 3]) driver.join(peer)
    driver.on({ type: 'left', blob: BLOB, peer: 1 }).on({ type: 'gone', peer: 2 }).on({ type: 'proven', blob: BLOB })
    assert.deepEqual(
      driver.take('tellHashes').map(({ to }) => to),
      [[3]],
    )
  })

  it('that it gives up, or that the content is wrong, and of neither anything more', () => {
    for (const [type, told] of [
      ['gaveUp', 'tellGaveUp'],
      ['dissolved', 'tellLeft'],
    ] as const) {
      const driver = new TrackerDriver()
      for (const peer of [1, 2]) driver.join(peer)
      driver.store(0, 1).take('wake')
      driver.on({ type, blob: BLOB })
      assert.deepEqual(
        driver.take(told).map(({ peer }) => peer),
        [1, 2],
      )
      driver.join(3)
      assert.deepEqual(driver.on({ type: 'flush', blob: BLOB }).told(), [], type)
    }
  })
})

describe('a tracker', () => {
  it('makes a member that has pieces a source', () => {
    const driver = new TrackerDriver()
    const member = { id: 'a', zone: null }
    driver.on({ type: 'joined', blob: BLOB, peer: 1, member, has: bits(8, []) })
    driver.on({ type: 'joined', blob: BLOB, peer: 2, member: { ...member, id: 'b' }, has: bits(8, [3]) })
    assert.deepEqual(
      driver.take('leecher').map(({ event }) => [event.type, 'source' in event && event.source]),
      [
        ['sourceJoined', 2],
        ['sourceBits', 2],
      ],
    )
  })

  it('forgets a swarm that is idle, and none that is told of', () => {
    const driver = new TrackerDriver()
    const idle = 2
    driver.join(1)
    driver.join(1, { blob: idle })
    for (let minute = 0; minute < 12; minute++) {
      driver.now += MINUTE_MS
      driver.on({ type: 'proven', blob: BLOB }).on({ type: 'tick' })
    }
    assert.deepEqual(
      [BLOB, idle].map((blob) => driver.tracker.members(blob).length),
      [1, 0],
    )
  })
})
