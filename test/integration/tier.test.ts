import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import type { Refusal } from '../../src/base/outcome.ts'
import { isRefused, refused } from '../../src/base/outcome.ts'
import { seededRng } from '../../src/base/rng.ts'
import { blobRequests } from '../../src/blob/index.ts'
import { OriginChain } from '../../src/origin/index.ts'
import type { Granted } from '../../src/swarm/index.ts'
import type { Climb } from '../../src/tier/index.ts'
import { Ladder, requestOf, Tier } from '../../src/tier/index.ts'
import { addressOf } from '../support/address-of.ts'
import { eventually } from '../support/eventually.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { RecordedLogger, soon } from './swarm-support.ts'
import { addressesOf, fleetOf, hostsOf, KEYS, keyOf, NOWHERE, ranking, tierOn } from './tier-support.ts'

const NO_ORIGINS = new OriginChain([], { clock: systemClock, logger: silentLogger })
const BLOB = { upstream: 'up', repository: 'repo', digest: `sha256:${'0'.repeat(64)}` as never }
type Stat = Granted<typeof blobRequests.stat>

/** Looks for a size: the origin's is 0, and whoever says 13 lies. */
async function sizeFor(tier: Tier): Promise<number | Refusal> {
  const ladder = new Ladder<Stat>({ tier, clock: systemClock, origins: () => NO_ORIGINS })
  const climb: Climb<Stat, Stat> = {
    upstream: 'up',
    key: 'key',
    request: requestOf(blobRequests.stat, BLOB),
    take: async ({ answer }) => (answer.size === 13 ? 'false' : answer),
    atOrigin: async () => ({ kind: 'stat', size: 0 }),
  }
  const outcome = await ladder.forClient(climb, soon())
  return isRefused(outcome) ? outcome : outcome.size
}

test('all hosts of a region rank its caches alike, and every cache is home of something', async (t) => {
  const fleet = await fleetOf(t)
  const caches = await hostsOf(fleet, 3, { role: 'cache' })
  const agents = await hostsOf(fleet, 2)
  const setup = { caches: addressesOf(caches) }
  const seats = await Promise.all(
    [...caches, ...agents].map(async (host) => ({ host, tier: await tierOn(t, host, setup) })),
  )
  const homes = new Set<string>()
  for (const key of KEYS) {
    const rankings = seats.map(({ host, tier }) => ranking(host, tier.homes(key)))
    for (const other of rankings) assert.deepEqual(other, rankings[0])
    homes.add(rankings[0]?.[0] ?? '')
  }
  assert.deepEqual([...homes].sort(), caches.map(keyOf).sort())
  assert.equal(seats[0]?.tier.status().state, 'linked')
})

test('a configured cache that serves another region is an error in the log, once, and in what a host says of itself', async (t) => {
  const fleet = await fleetOf(t)
  const [cache] = await hostsOf(fleet, 1, { role: 'cache', region: 'eu-1' })
  const agent = await fleet.host({ region: 'eu1' })
  assert.ok(cache)
  const logger = new RecordedLogger()
  const tier = await tierOn(t, agent, { caches: addressesOf([cache]), logger })
  const { state, caches } = tier.status()
  assert.equal(state, 'acting')
  assert.deepEqual(
    caches.map(({ servesInstead }) => servesInstead),
    ['eu-1'],
  )
  const [line, ...more] = logger.warnings
  assert.match(line ?? '', /^ERROR a configured cache serves another region .*"serves":"eu-1","configuredFor":"eu1"/)
  assert.deepEqual(more, [])
})

test("a dead cache's keys move to their stand-ins, all others stay where they are", async (t) => {
  const fleet = await fleetOf(t)
  const caches = await hostsOf(fleet, 3, { role: 'cache' })
  const agent = await fleet.host()
  const tier = await tierOn(t, agent, { caches: addressesOf(caches) })
  const before = new Map(KEYS.map((key) => [key, ranking(agent, tier.homes(key))]))
  const dead = caches[0]!
  await dead.swarm[Symbol.asyncDispose]()
  await eventually('the link is gone', () => !agent.swarm.links.has(keyOf(dead)))
  for (const key of KEYS) {
    const expected = before.get(key)?.filter((peer) => peer !== keyOf(dead))
    assert.deepEqual(ranking(agent, tier.homes(key)), expected)
  }
})

test('a suspect is not asked while another is there, and never leaves a region without a home', async (t) => {
  const fleet = await fleetOf(t)
  const caches = await hostsOf(fleet, 2, { role: 'cache' })
  const agent = await fleet.host()
  const clock = new ManualClock()
  const tier = await tierOn(t, agent, { caches: addressesOf(caches), clock })
  const [one, two] = caches.map(keyOf)
  tier.suspect(one!)
  for (const key of KEYS) assert.deepEqual(ranking(agent, tier.homes(key)), [two])
  tier.suspect(two!)
  for (const key of KEYS) assert.equal(tier.homes(key).length, 2)
  assert.equal(tier.acting, false)
  clock.advance(31_000)
  tier.suspect(two!)
  for (const key of KEYS) assert.deepEqual(ranking(agent, tier.homes(key)), [one])
})

test('a host without a tier is its own home, at once', async (t) => {
  const fleet = await fleetOf(t)
  const [alone, neighbour] = [await fleet.host(), await fleet.host()]
  const tier = await tierOn(t, alone, { graceMs: 60_000 })
  await alone.swarm.connectAddress(neighbour.address, soon())
  assert.deepEqual(await tier.homesAfterGrace('key', soon()), [{ kind: 'self' }])
  assert.equal(await sizeFor(tier), 0)
  assert.equal(tier.status().state, 'own')
})

test('parents are the linked caches of the regions above, the nearest region first', async (t) => {
  const fleet = await fleetOf(t)
  const core = await hostsOf(fleet, 2, { role: 'cache', region: 'core' })
  const world = await fleet.host({ role: 'cache', region: 'world' })
  const edge = await fleet.host({ role: 'cache', region: 'edge' })
  const tier = await tierOn(t, edge, {
    parents: [
      { region: 'core', caches: [...addressesOf(core), NOWHERE] },
      { region: 'world', caches: [world.address] },
    ],
  })
  for (const key of KEYS) {
    const parents = tier.parents(key).map(({ peer }) => peer.key)
    assert.deepEqual([parents.slice(0, 2).sort(), parents[2]], [core.map(keyOf).sort(), keyOf(world)])
    // caches of other regions are never homes here
    assert.deepEqual(tier.homes(key), [{ kind: 'self' }])
  }
  const first = tier.parents('key')[0]!.peer.key
  tier.suspect(first)
  assert.notEqual(tier.parents('key')[0]!.peer.key, first)
  const unreachable = tier.status().parents.filter(({ state }) => state === 'unreachable')
  assert.deepEqual(
    unreachable.map(({ region, address }) => [region, address]),
    [['core', NOWHERE]],
  )
})

test('a cache whose list of caches has its own address is not missed by itself', async (t) => {
  const fleet = await fleetOf(t)
  const [one, other] = await hostsOf(fleet, 2, { role: 'cache' })
  const logger = new RecordedLogger()
  const tier = Tier.start(
    { caches: addressesOf([one!, other!]), parents: [], graceMs: 0 },
    { swarm: one!.swarm, clock: systemClock, logger, lookup: async () => [], rng: seededRng(1) },
  )
  t.after(() => tier[Symbol.asyncDispose]())
  await tier.settled(soon())
  assert.deepEqual(
    tier.status().caches.map(({ address, state }) => [address, state]),
    [[other!.address, 'linked']],
  )
  assert.deepEqual(logger.warnings, [])
})

test('a home that cannot help is passed over for its stand-in; its "no" is an answer', async (t) => {
  const fleet = await fleetOf(t)
  const caches = await hostsOf(fleet, 2, { role: 'cache' })
  const agent = await fleet.host()
  const tier = await tierOn(t, agent, { caches: addressesOf(caches) })
  const [home, standIn] = ranking(agent, tier.homes('key')).map((peer) => caches.find((host) => keyOf(host) === peer)!)
  home!.events.answer = async () => ({ kind: 'refused', reason: 'unavailable', message: 'full' })
  standIn!.events.answer = async () => ({ kind: 'stat', size: 7 })
  assert.equal(await sizeFor(tier), 7)
  home!.events.answer = async () => ({ kind: 'refused', reason: 'unknown', message: 'no such blob' })
  assert.deepEqual(await sizeFor(tier), refused('unknown', 'no such blob'))
  standIn!.events.answer = async () => ({ kind: 'refused', reason: 'unavailable', message: 'full' })
  home!.events.answer = standIn!.events.answer
  assert.deepEqual(await sizeFor(tier), refused('unavailable', 'full'))
})

test('a home whose answer shows that it is wrong is passed over for its stand-in, and all of them for the origin', async (t) => {
  const fleet = await fleetOf(t)
  const caches = await hostsOf(fleet, 2, { role: 'cache' })
  const agent = await fleet.host()
  const tier = await tierOn(t, agent, { caches: addressesOf(caches) })
  const [home, standIn] = ranking(agent, tier.homes('key')).map((peer) => caches.find((host) => keyOf(host) === peer)!)
  home!.events.answer = async () => ({ kind: 'stat', size: 13 })
  standIn!.events.answer = async () => ({ kind: 'stat', size: 7 })
  assert.equal(await sizeFor(tier), 7)
  standIn!.events.answer = home!.events.answer
  assert.equal(await sizeFor(tier), 0)
})

test('a name is looked up again: caches that appear behind it are linked, those that left are given up', async (t) => {
  const fleet = await fleetOf(t)
  const first = await fleet.host({ role: 'cache' })
  const port = first.address.split(':')[1]
  const second = await fleet.host({ role: 'cache', listen: addressOf(`127.0.0.2:${port}`) })
  const agent = await fleet.host()
  let addresses = ['127.0.0.1']
  const names: string[] = []
  const lookup = async (name: string): Promise<string[]> => {
    names.push(name)
    return addresses
  }
  const hurried: Clock = { ...systemClock, after: (ms, fn) => systemClock.after(ms / 300, fn) }
  const tier = await tierOn(t, agent, { caches: [`dns:caches.test:${port}`], lookup, clock: hurried })
  const listed = (): string[] => tier.status().caches.map(({ address, state }) => `${address} ${state}`)
  assert.deepEqual(listed(), [`127.0.0.1:${port} linked`])
  assert.deepEqual(ranking(agent, tier.homes('key')), [keyOf(first)])
  addresses = ['127.0.0.2']
  await eventually('the second is linked', () => agent.swarm.links.has(keyOf(second)))
  await eventually('the first is given up', () => listed().join() === `127.0.0.2:${port} linked`)
  assert.ok(names.every((name) => name === 'caches.test'))
})

test('a region is settled only when every address has been tried, however often one of them comes and goes', async (t) => {
  const fleet = await fleetOf(t)
  const agent = await fleet.host()
  const held = Promise.withResolvers<string[]>()
  let waits = 0
  const hurried: Clock = {
    now: () => systemClock.now(),
    wall: () => systemClock.wall(),
    after: (ms, fn) => {
      waits++
      return systemClock.after(ms / 300, fn)
    },
  }
  const deps = {
    swarm: agent.swarm,
    clock: hurried,
    logger: new RecordedLogger(),
    lookup: () => held.promise,
    rng: seededRng(1),
  }
  const tier = Tier.start({ caches: [NOWHERE, 'dns:slow.test:7071'], parents: [], graceMs: 0 }, deps)
  t.after(() => tier[Symbol.asyncDispose]())
  let settled = false
  const settling = tier.settled(soon()).then(() => {
    settled = true
  })
  // refused at once, and after each wait again
  await eventually('the first address has been tried several times', () => waits >= 4)
  assert.equal(settled, false)
  held.resolve([])
  await settling
})
