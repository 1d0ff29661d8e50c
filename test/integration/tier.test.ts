import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../src/base/clock.ts'
import { systemClock } from '../../src/base/clock.ts'
import { seededRng } from '../../src/base/rng.ts'
import type { CallName, CallResults, PeerLink, SwarmOptions } from '../../src/swarm/index.ts'
import type { Home, TierOptions } from '../../src/tier/index.ts'
import { Tier } from '../../src/tier/index.ts'
import { eventually } from '../support/eventually.ts'
import { ManualClock } from '../support/manual-clock.ts'
import type { TestHost } from './swarm-support.ts'
import { RecordedLogger, soon, TestFleet } from './swarm-support.ts'

const KEYS = Array.from({ length: 40 }, (_, i) => `registry.test/app-${i}:v1`)
const NOWHERE = '127.0.0.1:1'
const stat = {
  name: 'stat',
  args: { upstream: 'up', repository: 'repo', digest: `sha256:${'0'.repeat(64)}` as never },
} as const

interface TierSetup extends Partial<TierOptions> {
  readonly clock?: Clock
  readonly lookup?: (name: string) => Promise<string[]>
}

async function fleetOf(t: TestContext): Promise<TestFleet> {
  const fleet = await TestFleet.create()
  t.after(() => fleet[Symbol.asyncDispose]())
  return fleet
}

async function hostsOf(fleet: TestFleet, count: number, options: Partial<SwarmOptions> = {}): Promise<TestHost[]> {
  const hosts: TestHost[] = []
  while (hosts.length < count) hosts.push(await fleet.host(options))
  return hosts
}

/** A tier on a host, told when links end; it has tried every address once. */
async function tierOn(t: TestContext, host: TestHost, setup: TierSetup = {}): Promise<Tier> {
  const { clock = systemClock, lookup = async () => [], caches = [], parents = [], graceMs = 0 } = setup
  const deps = { swarm: host.swarm, clock, logger: new RecordedLogger(), lookup, rng: seededRng(1) }
  const tier = Tier.start({ caches, parents, graceMs }, deps)
  const { linked, unlinked } = host.events
  host.events.linked = (link) => {
    linked.call(host.events, link)
    tier.linked(link)
  }
  host.events.unlinked = (link) => {
    unlinked.call(host.events, link)
    tier.unlinked(link)
  }
  t.after(() => tier[Symbol.asyncDispose]())
  await tier.settled(soon())
  return tier
}

function ranking(host: TestHost, homes: readonly Home[]): string[] {
  return homes.map((home) => (home.kind === 'self' ? host.swarm.self.key : home.link.peer.key))
}

const addressesOf = (hosts: readonly TestHost[]): string[] => hosts.map(({ address }) => address)
const keyOf = (host: TestHost): string => host.swarm.self.key

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

test("with every cache gone, a region's hosts stand in for them, but only after the grace", async (t) => {
  const fleet = await fleetOf(t)
  const [cache, one, two] = [await fleet.host({ role: 'cache' }), await fleet.host(), await fleet.host()]
  const clock = new ManualClock()
  const setup = { caches: [cache.address], graceMs: 3_000, clock }
  const seats = [
    { host: one, tier: await tierOn(t, one, setup) },
    { host: two, tier: await tierOn(t, two, setup) },
  ]
  await one.swarm.connectAddress(two.address, soon())
  await cache.swarm[Symbol.asyncDispose]()
  await eventually('both are without a cache', () => seats.every(({ tier }) => tier.acting))
  const lostAt = clock.now()
  let waiting = true
  const asked = seats[0]!.tier.homesAfterGrace('key', soon()).finally(() => {
    waiting = false
  })
  while (waiting) {
    clock.advance(100)
    await setImmediate()
  }
  assert.ok(clock.now() - lostAt >= 3_000, `stood in after ${clock.now() - lostAt} ms`)
  assert.deepEqual(ranking(one, await asked).sort(), [keyOf(one), keyOf(two)].sort())
  for (const key of KEYS) {
    const [a, b] = seats.map(({ host, tier }) => ranking(host, tier.homes(key)))
    assert.deepEqual(a, b)
  }
  assert.equal(seats[0]!.tier.status().state, 'acting')
})

test('hosts that have never met find each other when the caches are gone, and agree on every home', async (t) => {
  const fleet = await fleetOf(t)
  const cache = await fleet.host({ role: 'cache' })
  const cacheTier = await tierOn(t, cache)
  const asked = new Set<string>()
  cache.events.call = async <N extends CallName>(link: PeerLink, name: N) => {
    assert.equal(name, 'members')
    const peers = cacheTier.members(link, 64)
    if (peers.length === 5) asked.add(link.peer.key)
    const answer: CallResults[CallName] = { kind: 'members', peers }
    return answer as CallResults[N]
  }
  const hosts = await hostsOf(fleet, 6)
  const hurried: Clock = {
    now: () => systemClock.now() * 20,
    wall: () => systemClock.wall(),
    after: (ms, fn) => systemClock.after(ms / 20, fn),
  }
  const setup = { caches: [cache.address], clock: hurried }
  const seats = await Promise.all(hosts.map(async (host) => ({ host, tier: await tierOn(t, host, setup) })))
  await eventually('the cache has told each of the five others', () => asked.size === hosts.length)
  await cache.swarm[Symbol.asyncDispose]()
  await eventually('all are linked', () => hosts.every(({ swarm }) => swarm.links.size === hosts.length - 1))
  for (const key of KEYS) {
    const rankings = seats.map(({ host, tier }) => ranking(host, tier.homes(key)))
    for (const other of rankings) assert.deepEqual(other, rankings[0])
  }
})

test('a host without a tier is its own home, at once', async (t) => {
  const fleet = await fleetOf(t)
  const [alone, neighbour] = [await fleet.host(), await fleet.host()]
  const tier = await tierOn(t, alone, { graceMs: 60_000 })
  await alone.swarm.connectAddress(neighbour.address, soon())
  assert.deepEqual(await tier.homesAfterGrace('key', soon()), [{ kind: 'self' }])
  assert.equal(await tier.askHomes('key', stat, soon()), undefined)
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
  const helped = await tier.askHomes('key', stat, soon())
  assert.deepEqual([helped?.link?.peer.key, helped?.answer], [keyOf(standIn!), { kind: 'stat', size: 7 }])
  home!.events.answer = async () => ({ kind: 'refused', reason: 'unknown', message: 'no such blob' })
  const refused = await tier.askHomes('key', stat, soon())
  assert.deepEqual([refused?.link?.peer.key, refused?.answer.kind], [keyOf(home!), 'refused'])
  standIn!.events.answer = async () => ({ kind: 'refused', reason: 'unavailable', message: 'full' })
  home!.events.answer = standIn!.events.answer
  const nobody = await tier.askHomes('key', stat, soon())
  assert.deepEqual([nobody?.link, nobody?.answer.kind], [undefined, 'refused'])
})

test('a name is looked up again: caches that appear behind it are linked, those that left are given up', async (t) => {
  const fleet = await fleetOf(t)
  const first = await fleet.host({ role: 'cache' })
  const port = first.address.split(':')[1]
  const second = await fleet.host({ role: 'cache', listen: `127.0.0.2:${port}` })
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
