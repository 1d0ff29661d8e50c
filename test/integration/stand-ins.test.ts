import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { rankHomes } from '../../src/scheduler/index.ts'
import type { PeerLink } from '../../src/swarm/index.ts'
import type { Lot, Tier } from '../../src/tier/index.ts'
import { eventually } from '../support/eventually.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { soon } from './swarm-support.ts'
import { fleetOf, hostsOf, hurried, KEYS, keyOf, namesMembers, ranking, tierOn } from './tier-support.ts'

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
  namesMembers(cache, cacheTier, (link, named) => {
    if (named === 5) asked.add(link.peer.key)
  })
  const hosts = await hostsOf(fleet, 6)
  const setup = { caches: [cache.address], clock: hurried }
  const seats = await Promise.all(hosts.map(async (host) => ({ host, tier: await tierOn(t, host, setup) })))
  for (const { host, tier } of seats) namesMembers(host, tier)
  await eventually('the cache has told each of the five others', () => asked.size === hosts.length)
  await cache.swarm[Symbol.asyncDispose]()
  await eventually('all are linked', () => hosts.every(({ swarm }) => swarm.links.size === hosts.length - 1))
  await eventually('all agree', () => {
    const of = (key: string): Set<string> =>
      new Set(seats.map(({ host, tier }) => ranking(host, tier.homes(key)).join()))
    return KEYS.every((key) => of(key).size === 1)
  })
  const byName = seats[0]!
  assert.ok(
    KEYS.some((key) => rankHomes(key, hosts.map(keyOf))[0] !== ranking(byName.host, byName.tier.homes(key))[0]),
    'they rank by their names, which anybody can make',
  )
})

/** Makes identities until one is first for `key` among these, by its name: what it takes is as many tries as there are hosts. */
async function ground(path: string, key: string, names: readonly string[]): Promise<string> {
  for (;;) {
    const seed = randomBytes(32)
    const name = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed)).toString()
    if (rankHomes(key, [...names, name])[0] !== name) continue
    await writeFile(path, `shoal-identity-v1:${seed.toString('base64url')}\n`, { mode: 0o600 })
    return name
  }
}

/** What `tier` tells the peer of `link` that hosts rank by. */
async function lotFor(tier: Tier, link: PeerLink): Promise<Lot | undefined> {
  const answer = await tier.handlers.members(link, { limit: 0 }, soon())
  return answer.kind === 'members' ? answer.lot : undefined
}

test('an identity ground to rank first while hosts stand in for the caches is not the home', async (t) => {
  const fleet = await fleetOf(t)
  const cache = await fleet.host({ role: 'cache' })
  namesMembers(cache, await tierOn(t, cache))
  const hosts = await hostsOf(fleet, 3)
  const setup = { caches: [cache.address], clock: hurried }
  const seats = await Promise.all(hosts.map(async (host) => ({ host, tier: await tierOn(t, host, setup) })))
  for (const { host, tier } of seats) {
    namesMembers(host, tier)
    await eventually(
      'the cache has drawn for it',
      async () => (await lotFor(tier, cache.events.linkedPeers[0]!)) !== undefined,
    )
  }
  await cache.swarm[Symbol.asyncDispose]()
  await eventually('the caches are gone', () => seats.every(({ tier }) => tier.acting))
  const keys = KEYS.slice(0, 6)
  const liars: string[] = []
  for (const [n, key] of keys.entries()) {
    const identityPath = join(fleet.directory, `ground-${n}`)
    const name = await ground(identityPath, key, [...hosts.map(keyOf), ...liars])
    const liar = await fleet.host({ identityPath })
    assert.equal(keyOf(liar), name)
    // as if a cache had drawn it: another's, and one it has made itself
    const lot = n % 2 === 0 ? await lotFor(seats[0]!.tier, seats[1]!.host.events.linkedPeers[0]!) : undefined
    liar.events.answer = async () => ({ kind: 'members', peers: [], lot: lot ?? madeUp() })
    for (const host of hosts) await liar.swarm.connectAddress(host.address, soon())
    liars.push(name)
  }
  await eventually('all are linked', () => hosts.every(({ swarm }) => liars.every((name) => swarm.links.has(name))))
  for (const { host, tier } of seats) {
    await eventually('the hosts have shown what they rank by', () => {
      return keys.every((key) =>
        ranking(host, tier.homes(key))
          .slice(3)
          .every((name) => liars.includes(name)),
      )
    })
  }
})

/** What a cache would have drawn, with no signature of one. */
function madeUp(): Lot {
  const atMs = Math.floor(Date.now() / 3_600_000) * 3_600_000
  return { region: 'test', atMs, address: 'a', host: 'b', signature: new Uint8Array(randomBytes(64)) }
}
