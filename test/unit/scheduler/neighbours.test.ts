import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRng } from '../../../src/base/rng.ts'
import type { Place } from '../../../src/scheduler/index.ts'
import { NEIGHBOURS_MOST, oneTooMany, placeHash, SwarmMembers } from '../../../src/scheduler/index.ts'

interface Host extends Place {
  readonly id: string
  readonly neighbours: Set<Host>
  refusals: number
}

function randomIds(count: number, seed: number): string[] {
  const rng = seededRng(seed)
  return Array.from({ length: count }, (_, i) => `host-${i}-${rng.below(2 ** 31)}`)
}

function hostsOf(ids: readonly string[], zoneOf: (index: number) => string | null = () => null): Host[] {
  return ids.map((id, i) => ({ id, zone: zoneOf(i), hash: placeHash(id), neighbours: new Set(), refusals: 0 }))
}

function part(one: Host, other: Host): void {
  one.neighbours.delete(other)
  other.neighbours.delete(one)
}

/** One after the other comes and meets whom the home names; each parts with whom it can least use, as the daemon does. */
function joinAll(hosts: readonly Host[]): SwarmMembers {
  const members = new SwarmMembers()
  const byId = new Map(hosts.map((host) => [host.id, host]))
  for (const host of hosts) {
    members.add(host)
    for (const id of members.introduce(host.id)) {
      const other = byId.get(id)!
      host.neighbours.add(other)
      other.neighbours.add(host)
      for (const one of [other, host]) {
        const excess = oneTooMany(one, [...one.neighbours])
        if (excess === undefined) continue
        if (excess === host) host.refusals++
        part(one, excess)
      }
    }
  }
  return members
}

function reachable(hosts: readonly Host[]): number {
  const reached = new Set([hosts[0]!])
  for (const host of reached) for (const other of host.neighbours) reached.add(other)
  return reached.size
}

describe('swarm members', () => {
  it('come and go', () => {
    const members = new SwarmMembers()
    members.add({ id: 'a', zone: null })
    members.add({ id: 'b', zone: null })
    members.add({ id: 'a', zone: 'z' })
    assert.equal(members.size, 2)
    assert.deepEqual(members.introduce('b'), ['a'])
    assert.equal(members.remove('a'), true)
    assert.equal(members.remove('a'), false)
    assert.equal(members.size, 1)
    assert.deepEqual(members.introduce('a'), [])
    assert.deepEqual(members.introduce('b'), [])
  })

  it('meet everybody in a small swarm, and never themselves', () => {
    const hosts = hostsOf(randomIds(9, 1))
    joinAll(hosts)
    for (const host of hosts) {
      assert.equal(host.neighbours.size, 8)
      assert.equal(host.neighbours.has(host), false)
    }
  })

  it('get the same neighbours of every home, so that links serve all layers', () => {
    const ids = randomIds(100, 2)
    const [one, other] = [hostsOf(ids), hostsOf(ids)]
    joinAll(one)
    joinAll(other)
    for (const [i, host] of one.entries()) {
      assert.deepEqual(
        [...host.neighbours].map(({ id }) => id),
        [...other[i]!.neighbours].map(({ id }) => id),
      )
    }
  })

  for (const count of [50, 300, 2_000]) {
    it(`form one connected swarm of ${count}, in one zone and in many`, () => {
      const hosts = hostsOf(randomIds(count, count))
      joinAll(hosts)
      assert.equal(reachable(hosts), count)
      const zoned = hostsOf(randomIds(count, count), (i) => `zone-${i % 3}`)
      joinAll(zoned)
      assert.equal(reachable(zoned), count)
    })
  }

  it('are not drawn into cliques: neighbours of one are rarely neighbours of each other', () => {
    const hosts = hostsOf(randomIds(500, 5))
    joinAll(hosts)
    let pairs = 0
    let linked = 0
    for (const host of hosts) {
      for (const one of host.neighbours) {
        for (const other of host.neighbours) {
          pairs++
          if (one.neighbours.has(other)) linked++
        }
      }
    }
    assert.ok(linked / pairs < 0.06, `${linked} of ${pairs}`)
  })

  it('who came first do not stay among themselves', () => {
    const hosts = hostsOf(randomIds(1_000, 11))
    joinAll(hosts)
    const order = new Map(hosts.map((host, i) => [host, i]))
    const early = hosts.slice(0, 50).flatMap((host) => [...host.neighbours].map((other) => order.get(other)!))
    const late = early.filter((at) => at >= 500).length
    assert.ok(late > early.length / 3, `${late} of ${early.length} came in the later half`)
  })

  it('have neither too few neighbours nor too many, and are hardly ever sent to one who refuses', () => {
    const hosts = hostsOf(randomIds(1_000, 7))
    joinAll(hosts)
    const degrees = hosts.map((host) => host.neighbours.size)
    assert.ok(Math.max(...degrees) <= NEIGHBOURS_MOST, `${Math.max(...degrees)} at most`)
    assert.ok(Math.min(...degrees) >= 5, `${Math.min(...degrees)} at least`)
    const mean = degrees.reduce((sum, degree) => sum + degree, 0) / degrees.length
    assert.ok(mean > 11, `${mean} on average`)
    const refusals = hosts.reduce((sum, host) => sum + host.refusals, 0)
    assert.ok(refusals < 100, `${refusals} refused of 12000`)
  })

  it('are introduced to others each time they ask, and to all again when nobody else is left', () => {
    const ids = randomIds(20, 9)
    const members = new SwarmMembers()
    for (const id of ids) members.add({ id, zone: null })
    const first = members.introduce(ids[0]!)
    const second = members.introduce(ids[0]!)
    assert.equal(first.length, 12)
    assert.equal(new Set([...first, ...second]).size, first.length + second.length)
    assert.ok(first.length + second.length >= NEIGHBOURS_MOST)
    for (let asks = 0; asks < 5; asks++) assert.ok(members.introduce(ids[0]!).length > 0)
    const gone = first[0]!
    members.remove(gone)
    members.add({ id: gone, zone: null })
    assert.ok(members.introduce(gone).length > 0)
  })

  it('have most neighbours in their zone and some beyond', () => {
    const hosts = hostsOf(randomIds(90, 6), (i) => `zone-${i % 3}`)
    joinAll(hosts)
    const shares = hosts.map(
      (host) => [...host.neighbours].filter((other) => other.zone !== host.zone).length / host.neighbours.size,
    )
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length
    assert.ok(mean > 0.1 && mean < 0.3, `${mean} from beyond`)
    assert.ok(shares.filter((share) => share > 0).length > 80)
  })

  it('meet at least one from beyond, and more where their zone is small', () => {
    const ids = randomIds(40, 8)
    const members = new SwarmMembers()
    for (const [i, id] of ids.entries()) members.add({ id, zone: i < 3 ? 'small' : 'large' })
    const far = (id: string): number =>
      members.introduce(id).filter((other) => ids.indexOf(other) < 3 !== ids.indexOf(id) < 3).length
    assert.equal(far(ids[10]!), 2)
    assert.equal(far(ids[0]!), 10)
  })
})

describe('a host with one neighbour too many', () => {
  const places = hostsOf(randomIds(18, 3))
  const self = places[0]!

  it('keeps all while there are no more than it may have', () => {
    assert.equal(oneTooMany(self, places.slice(1, 1 + NEIGHBOURS_MOST)), undefined)
  })

  it('gives the same one up in whatever order they came', () => {
    const others = places.slice(1)
    const gone = oneTooMany(self, others)
    assert.ok(gone !== undefined && others.includes(gone))
    assert.equal(oneTooMany(self, others.toReversed()), gone)
    assert.notEqual(oneTooMany(self, [...others.filter((other) => other !== gone), places[0]!]), gone)
  })

  it('gives up one of another zone while it has more than three of these', () => {
    const near = places.slice(1, 15).map((place) => ({ ...place, zone: 'a' }))
    const far = places.slice(15, 18).map((place) => ({ ...place, zone: 'b' }))
    const host = { ...self, zone: 'a' }
    assert.equal(oneTooMany(host, [...near, ...far])?.zone, 'a')
    const moved = [...near.slice(1), { ...near[0]!, zone: 'b' }]
    assert.equal(oneTooMany(host, [...moved, ...far])?.zone, 'b')
  })
})
