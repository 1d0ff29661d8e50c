import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerLink, Swarm } from '../../../src/swarm/index.ts'
import { Lots } from '../../../src/tier/lots.ts'
import { agentKeyOf, FleetTrust, generateFleetKey } from '../../../src/trust/index.ts'

const DAY_MS = 86_400_000
const key = generateFleetKey()
let now = 1_000 * DAY_MS
const clock = { wall: () => now }

const peer = (name: string, region = 'eu', role: 'agent' | 'cache' = 'agent') =>
  ({ key: name, role, region, zone: null, addresses: [] }) as const
// of a link, what lots look at
const linkTo = (name: string, remote: string | undefined, region?: string): PeerLink =>
  ({ peer: peer(name, region), remote }) as unknown as PeerLink

function lotsOf(name: string, role: 'agent' | 'cache', links: readonly PeerLink[] = []): Lots {
  const trust = new FleetTrust(role === 'cache' ? key : agentKeyOf(key))
  const byKey: Swarm['links'] = new Map(links.map((link) => [link.peer.key, link]))
  return new Lots({ swarm: { self: peer(name, 'eu', role), links: byKey, trust }, clock })
}

test('a cache draws the same lot for a host whenever it asks, and for an address whoever asks from it', () => {
  const cache = lotsOf('cache', 'cache')
  const alice = cache.for(linkTo('alice', '10.0.0.1'))!
  assert.deepEqual(cache.for(linkTo('alice', '10.0.0.1')), alice)
  const bob = cache.for(linkTo('bob', '10.0.0.1'))!
  assert.equal(bob.address, alice.address)
  assert.notEqual(bob.host, alice.host)
  assert.notEqual(cache.for(linkTo('alice', '10.0.0.2'))?.address, alice.address)
  const sixes = ['2001:db8::1', '2001:db8::2', '2001:db8:0:1::1'].map((six) => cache.for(linkTo('six', six))?.address)
  assert.equal(sixes[0], sixes[1])
  assert.notEqual(sixes[0], sixes[2])
  // nobody can compute it: another cache, or the same one started again, draws another
  assert.notEqual(lotsOf('cache', 'cache').for(linkTo('alice', '10.0.0.1'))?.host, alice.host)
})

test('nothing is drawn for hosts of another region, for who comes from nowhere, or by a host that is no cache', () => {
  const cache = lotsOf('cache', 'cache')
  assert.equal(cache.for(linkTo('alice', '10.0.0.1', 'us')), undefined)
  assert.equal(cache.for(linkTo('alice', undefined)), undefined)
  assert.equal(lotsOf('agent', 'agent').for(linkTo('alice', '10.0.0.1')), undefined)
})

test('a lot counts for whom a cache of the region has drawn it, for a week', () => {
  const cache = lotsOf('cache', 'cache')
  const [alice, mallory] = [linkTo('alice', '10.0.0.1'), linkTo('mallory', '10.0.0.2')]
  const lot = cache.for(alice)!
  /** Whether it puts its holder before a host that sorts first by name for this key. */
  const counts = (holder: PeerLink, shown: typeof lot): boolean => {
    const others = ['x', 'y', 'z'].map((name) => linkTo(name, '10.0.0.9'))
    const here = lotsOf('here', 'agent', [holder, ...others])
    here.told(holder, false, shown)
    const names = [holder.peer.key, ...others.map((link) => link.peer.key)]
    return ['k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8'].every((id) => here.rank(id, names)[0] === holder.peer.key)
  }
  assert.ok(counts(alice, lot))
  assert.ok(!counts(mallory, lot), "somebody else's")
  assert.ok(!counts(alice, { ...lot, host: 'chosen' }))
  assert.ok(!counts(alice, { ...lot, address: 'chosen' }))
  assert.ok(!counts(alice, { ...lot, region: 'us' }))
  assert.ok(!counts(alice, { ...lot, atMs: lot.atMs + 3_600_000 }))
  now += 7 * DAY_MS + 1
  assert.ok(!counts(alice, lot), 'too old')
  now -= 8 * DAY_MS
  assert.ok(!counts(alice, lot), 'before its time')
})

test('a host shows others the lot that a cache has told it, and takes no other for its own', () => {
  now = 1_000 * DAY_MS
  const cacheLink = linkTo('cache', '10.0.0.254')
  const lot = lotsOf('cache', 'cache').for(linkTo('alice', '10.0.0.1'))!
  const alice = lotsOf('alice', 'agent')
  alice.told(linkTo('bob', '10.0.0.2'), false, lot)
  assert.equal(alice.for(linkTo('bob', '10.0.0.2')), undefined)
  alice.told(cacheLink, true, { ...lot, host: 'another' })
  assert.equal(alice.for(linkTo('bob', '10.0.0.2')), undefined)
  alice.told(cacheLink, true, lot)
  assert.deepEqual(alice.for(linkTo('bob', '10.0.0.2')), lot)
})
