import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRng } from '../../../src/base/rng.ts'
import { NEIGHBOURS_WANTED, SwarmMembers } from '../../../src/scheduler/index.ts'

function swarmOf(ids: readonly string[], zoneOf: (index: number) => string | null = () => null): SwarmMembers {
  const members = new SwarmMembers()
  for (const [i, id] of ids.entries()) members.add({ id, zone: zoneOf(i) })
  return members
}

function randomIds(count: number, seed: number): string[] {
  const rng = seededRng(seed)
  return Array.from({ length: count }, (_, i) => `host-${i}-${rng.below(2 ** 31)}`)
}

/** How many members can be reached from the first over introductions, whoever was introduced to whom. */
function reachable(members: SwarmMembers, ids: readonly string[]): number {
  const edges = new Map<string, Set<string>>(ids.map((id) => [id, new Set()]))
  for (const id of ids) {
    for (const other of members.neighboursOf(id)) {
      edges.get(id)!.add(other)
      edges.get(other)!.add(id)
    }
  }
  const reached = new Set([ids[0]!])
  for (const id of reached) for (const other of edges.get(id)!) reached.add(other)
  return reached.size
}

describe('swarm members', () => {
  it('come and go', () => {
    const members = swarmOf(['a', 'b'])
    members.add({ id: 'a', zone: 'z' })
    assert.equal(members.size, 2)
    assert.equal(members.remove('a'), true)
    assert.equal(members.remove('a'), false)
    assert.equal(members.has('a'), false)
    assert.deepEqual([...members.ids()], ['b'])
    assert.deepEqual(members.neighboursOf('a'), [])
  })

  it('meet everybody in a small swarm, and never themselves', () => {
    const ids = randomIds(8, 1)
    for (const id of ids) {
      const others = ids.filter((other) => other !== id)
      assert.deepEqual(swarmOf(ids).neighboursOf(id).toSorted(), others.toSorted())
    }
  })

  it('get the same neighbours of every home that knows the same members', () => {
    const ids = randomIds(100, 2)
    const zone = (id: string): string => `zone-${id.length % 3}`
    const one = swarmOf(ids, (i) => zone(ids[i]!))
    const backwards = ids.toReversed()
    const other = swarmOf(backwards, (i) => zone(backwards[i]!))
    for (const id of ids) assert.deepEqual(one.neighboursOf(id), other.neighboursOf(id))
  })

  it('keep most neighbours when others join', () => {
    const ids = randomIds(110, 3)
    const before = swarmOf(ids.slice(0, 100))
    const after = swarmOf(ids)
    let kept = 0
    for (const id of ids.slice(0, 100)) {
      const now = new Set(after.neighboursOf(id))
      kept += before.neighboursOf(id).filter((other) => now.has(other)).length
    }
    assert.ok(kept > 850, `${kept} of 1000 kept`)
  })

  it('get others when they ask again', () => {
    const ids = randomIds(200, 4)
    const members = swarmOf(ids)
    let same = 0
    for (const id of ids) {
      const first = new Set(members.neighboursOf(id))
      same += members.neighboursOf(id, NEIGHBOURS_WANTED, 1).filter((other) => first.has(other)).length
    }
    assert.ok(same < 300, `${same} of 2000 the same`)
  })

  for (const count of [50, 300, 2_000]) {
    it(`form one connected swarm of ${count}, in one zone and in many`, () => {
      const ids = randomIds(count, count)
      assert.equal(reachable(swarmOf(ids), ids), count)
      const zoned = swarmOf(ids, (i) => `zone-${i % 3}`)
      assert.equal(reachable(zoned, ids), count)
    })
  }

  it('are not drawn into cliques: neighbours of one are rarely neighbours of each other', () => {
    const ids = randomIds(500, 5)
    const members = swarmOf(ids)
    const neighbours = new Map(ids.map((id) => [id, new Set(members.neighboursOf(id))]))
    let pairs = 0
    let linked = 0
    for (const mine of neighbours.values()) {
      for (const one of mine) {
        for (const other of mine) {
          pairs++
          if (neighbours.get(one)!.has(other)) linked++
        }
      }
    }
    assert.ok(linked / pairs < 0.1, `${linked} of ${pairs}`)
  })

  it('are introduced to no more than they accept, the last to join like the first', () => {
    const ids = randomIds(1_000, 7)
    const members = new SwarmMembers()
    const met = new Map(ids.map((id) => [id, new Set<string>()]))
    for (const id of ids) {
      members.add({ id, zone: null })
      for (const other of members.introduce(id)) {
        met.get(id)!.add(other)
        met.get(other)!.add(id)
      }
    }
    const degrees = ids.map((id) => met.get(id)!.size)
    assert.ok(Math.max(...degrees) <= 16, `${Math.max(...degrees)} at most`)
    assert.ok(Math.min(...degrees) >= 7, `${Math.min(...degrees)} at least`)
  })

  it('are introduced to others each time they ask, and to all again when nobody else is left', () => {
    const ids = randomIds(12, 9)
    const members = swarmOf(ids)
    const first = members.introduce(ids[0]!)
    const second = members.introduce(ids[0]!)
    assert.equal(new Set([...first, ...second]).size, 11)
    assert.ok(members.introduce(ids[0]!).length > 0)
    members.remove(first[0]!)
    members.add({ id: first[0]!, zone: null })
    assert.deepEqual(members.introduce(ids[0]!), [first[0]!])
  })

  it('have most neighbours in their zone and some beyond', () => {
    const ids = randomIds(90, 6)
    const members = swarmOf(ids, (i) => `zone-${i % 3}`)
    for (const [i, id] of ids.entries()) {
      const near = members.neighboursOf(id).filter((other) => ids.indexOf(other) % 3 === i % 3)
      assert.equal(members.neighboursOf(id).length, NEIGHBOURS_WANTED)
      assert.equal(near.length, 8)
    }
  })

  it('meet at least one from beyond, however few they ask for, and more where their zone is small', () => {
    const ids = randomIds(40, 8)
    const members = swarmOf(ids, (i) => (i < 3 ? 'small' : 'large'))
    const far = (id: string, wanted: number): number =>
      members.neighboursOf(id, wanted).filter((other) => ids.indexOf(other) < 3 !== ids.indexOf(id) < 3).length
    assert.equal(far(ids[10]!, 2), 1)
    assert.equal(far(ids[0]!, 10), 8)
    assert.equal(members.neighboursOf(ids[0]!).length, 10)
  })
})
