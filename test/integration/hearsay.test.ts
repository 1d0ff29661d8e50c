import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rename } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { blobRequests } from '../../src/blob/index.ts'
import type { BuiltImage } from '../../src/demo/index.ts'
import { MEDIA_TYPE } from '../../src/oci/manifest.ts'
import type { FleetKey } from '../../src/swarm/index.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/swarm/index.ts'
import { tierRequests } from '../../src/tier/index.ts'
import { transferMessages, transferRequests } from '../../src/transfer/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import type { TestHost } from './swarm-support.ts'
import { soon, standsIn, TestFleet } from './swarm-support.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024

interface Attacked {
  readonly fleet: NodeFleet
  readonly cacheKey: string
  readonly agentKey: string
  /** A member of the fleet that does as the test says: it holds the agents' key, and nothing else. */
  member(options?: { readonly announce: readonly string[] }): Promise<TestHost>
}

/** A fleet with keys, and members in it that mean harm. */
async function attacked(t: TestContext): Promise<Attacked> {
  const key: FleetKey = generateFleetKey()
  const fleetKey = agentKeyOf(key)
  const members = await TestFleet.create()
  t.after(() => members[Symbol.asyncDispose]())
  return {
    fleet: await NodeFleet.create(t),
    cacheKey: formatFleetKey(key),
    agentKey: formatFleetKey(fleetKey),
    member: (options) => members.host({ region: 'default', fleetKey, ...options }),
  }
}

test('thousands of false signatures end the link at the first, and the transfer they were about goes on', async (t) => {
  const { fleet, cacheKey, agentKey, member } = await attacked(t)
  const image = await fleet.image({ sizeBytes: 8 * MIB, layerCount: 1 })
  const layer = image.layers[0]!
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const cache = await fleet.start({ role: 'cache', upstreams, key: cacheKey, limits: { origin: 4 * MIB } })
  const agent = await fleet.start({ upstreams, caches: [cache], key: agentKey })
  const pulled = agent.pull(UP, 'team/app', 'v1', image)
  await eventually('the layer is on its way', async () => {
    const { transfers } = (await agent.admin('transfers')) as { transfers: { digest: string }[] }
    return transfers.some(({ digest }) => digest === layer.digest)
  })
  const liar = await member()
  const link = await liar.swarm.connectAddress(agent.peerAddress, soon())
  // well-formed, and by a key of nobody's
  const signature = new Uint8Array(sign(null, Buffer.from('x'), generateKeyPairSync('ed25519').privateKey))
  const hashes = (): Uint8Array => new Uint8Array(randomBytes(32))
  const runs = Array.from({ length: 4096 }, (_, i) => ({ first: i % 8, hashes: hashes(), signature }))
  link.send(transferMessages.hashes, { blob: layer.digest, size: layer.size, runs })
  await eventually('the link has ended', () => liar.events.unlinkedPeers.length === 1)
  assert.equal((await agent.metrics()).sum('shoal_requests_refused_total', { reason: 'protocol' }), 1)
  await pulled
})

interface Poisoned extends Attacked {
  readonly good: string
  readonly evil: BuiltImage
  readonly origin: string
  readonly cache: TestNode
  readonly agents: readonly TestNode[]
}

const HOUR_MS = 3_600_000
/** So many that a host itself is seldom first for a tag... */
const LIARS = 12
/** ...and so many tags that it is not for all of them: ranks are drawn anew by each run. */
const TAGS = ['v1', 'v2', 'v3', 'v4', 'v5']

/** A cache and two agents with tags of a repository, and another image that a member would like them to run. */
async function poisoned(t: TestContext, tags: { ttlMs: number; maxStaleMs: number }): Promise<Poisoned> {
  const scene = await attacked(t)
  const { fleet, cacheKey, agentKey } = scene
  const image = await fleet.image({ sizeBytes: 8192, layerCount: 1, seed: 1 })
  const evil = await fleet.image({ sizeBytes: 8192, layerCount: 1, seed: 2 })
  let origin = ''
  for (const tag of TAGS) origin = await fleet.push('origin', 'team/app', tag, image)
  const upstreams = [directoryUpstream(UP, origin)]
  const cache = await fleet.start({ role: 'cache', upstreams, key: cacheKey, tags })
  const start = (): Promise<TestNode> => fleet.start({ upstreams, caches: [cache], key: agentKey, tags })
  const agents = await Promise.all([start(), start()])
  return { ...scene, good: image.manifest.digest, evil, origin, cache, agents }
}

/** A member answers whoever asks it, for whatever tag, with another image. */
function lieAboutTags({ events }: TestHost, { manifest }: BuiltImage): { asked: number } {
  const lies = { asked: 0 }
  events.answer = async (name) => {
    if (name !== 'manifest') return { kind: 'refused', reason: 'unavailable', message: 'no' }
    lies.asked++
    const bytes = new Uint8Array(await readFile(manifest.path))
    return {
      kind: 'manifest',
      digest: manifest.digest,
      mediaType: MEDIA_TYPE.ociManifest,
      bytes,
      stale: false,
      ageMs: 0,
    }
  }
  return lies
}

/** Members that lie about tags, and stand in for the cache as soon as it is gone. */
async function surround({ member, agents, cache, evil }: Poisoned): Promise<{ asked: number }[]> {
  const lies = []
  for (let n = 0; n < LIARS; n++) {
    const liar = await member()
    lies.push(lieAboutTags(liar, evil))
    await standsIn(liar, cache.peerAddress)
    for (const agent of agents) await liar.swarm.connectAddress(agent.peerAddress, soon())
  }
  return lies
}

/** How many others a host knows to stand in for its caches; 0 while these are there. */
async function standIns(node: TestNode): Promise<number> {
  const { tier } = (await node.admin('status')) as { tier: { standIns: number } }
  return tier.standIns
}

/** Ends the cache, and waits until the hosts know who stands in for it. */
async function loseCache({ cache, agents }: Pick<Poisoned, 'cache' | 'agents'>, others: number): Promise<void> {
  await cache.node[Symbol.asyncDispose]()
  for (const agent of agents) {
    await eventually('the cache is gone, and the others stand in', async () => (await standIns(agent)) >= others)
  }
}

/** Every host is asked what the tags point to: it is the good image. */
async function allAreGood({ agents, good }: Pick<Poisoned, 'agents' | 'good'>, when: string): Promise<void> {
  for (const agent of agents) {
    for (const tag of TAGS) assert.equal((await agent.manifest(UP, 'team/app', tag)).digest, good, `${tag} ${when}`)
  }
}

test('while its caches are gone a host believes no member what a tag points to, nor keeps it', async (t) => {
  const scene = await poisoned(t, { ttlMs: 0, maxStaleMs: HOUR_MS })
  const { agents, good, origin } = scene
  await allAreGood(scene, 'at first')
  const lies = await surround(scene)
  await allAreGood(scene, 'with the cache')
  await loseCache(scene, LIARS)
  await allAreGood(scene, 'without it')
  assert.ok(
    lies.some(({ asked }) => asked > 0),
    'no liar was asked, so nothing was shown',
  )
  await rename(origin, `${origin}-gone`)
  for (const agent of agents) {
    const answer = await agent.manifest(UP, 'team/app', 'v1')
    assert.deepEqual([answer.digest, answer.stale], [good, true], 'without the origin as well')
  }
})

test("that a tag is unknown is not a member's to say", async (t) => {
  const scene = await poisoned(t, { ttlMs: 0, maxStaleMs: 0 })
  const { agents, cache, member } = scene
  for (let n = 0; n < LIARS; n++) {
    const liar = await member()
    liar.events.answer = async () => ({ kind: 'refused', reason: 'unknown', message: 'there is no such thing' })
    await standsIn(liar, cache.peerAddress)
    for (const agent of agents) await liar.swarm.connectAddress(agent.peerAddress, soon())
  }
  await loseCache(scene, LIARS)
  await allAreGood(scene, 'without the cache')
})

test('what a cache has signed passes from host to host while the caches are gone', async (t) => {
  const { fleet, cacheKey, agentKey } = await attacked(t)
  const tags = { ttlMs: HOUR_MS, maxStaleMs: HOUR_MS }
  const image = await fleet.image({ sizeBytes: 8192, layerCount: 1 })
  // so many that one of two hosts stands in for the home of some of them
  const names = Array.from({ length: 16 }, (_, n) => `v${n}`)
  let origin = ''
  for (const name of names) origin = await fleet.push('origin', 'team/app', name, image)
  const upstreams = [directoryUpstream(UP, origin)]
  const cache = await fleet.start({ role: 'cache', upstreams, key: cacheKey, tags })
  const knows = await fleet.start({ upstreams, caches: [cache], key: agentKey, tags })
  const asks = await fleet.start({ upstreams, caches: [cache], key: agentKey, tags })
  for (const name of names) {
    assert.equal((await knows.manifest(UP, 'team/app', name)).digest, image.manifest.digest)
  }
  const hosts = [knows, asks]
  const answers = async (node: TestNode): Promise<number> =>
    (await node.metrics()).sum('shoal_control_frames_total', { direction: 'received', kind: 'answer' })
  const before = await Promise.all(hosts.map(answers))
  await eventually('the cache has named the hosts to each other, and drawn for them', async () => {
    const now = await Promise.all(hosts.map(answers))
    return now.every((count, i) => count > before[i]!)
  })
  await loseCache({ cache, agents: [asks] }, 1)
  await rename(origin, `${origin}-gone`)
  const given = await Promise.all(names.map((name) => asks.manifest(UP, 'team/app', name)))
  const passed = given.filter(({ status }) => status === 200)
  assert.ok(passed.length > 0, 'no signed answer was passed on')
  for (const { digest, stale } of passed) assert.deepEqual([digest, stale], [image.manifest.digest, false])
})

test('a false signature under a tag ends the link, and the answer counts for nothing', async (t) => {
  const scene = await poisoned(t, { ttlMs: 0, maxStaleMs: HOUR_MS })
  const { agents, cache, good, evil, member } = scene
  const agent = agents[0]!
  const liars: TestHost[] = []
  const bytes = new Uint8Array(await readFile(evil.manifest.path))
  const signature = new Uint8Array(sign(null, Buffer.from('x'), generateKeyPairSync('ed25519').privateKey))
  for (let n = 0; n < LIARS; n++) {
    const liar = await member()
    liar.events.answer = async () => ({
      kind: 'manifest',
      digest: evil.manifest.digest,
      mediaType: MEDIA_TYPE.ociManifest,
      bytes,
      stale: false,
      ageMs: 0,
      proof: { region: 'default', confirmedEpochMs: Date.now(), signature },
    })
    await standsIn(liar, cache.peerAddress)
    await liar.swarm.connectAddress(agent.peerAddress, soon())
    liars.push(liar)
  }
  await loseCache({ cache, agents: [agent] }, LIARS)
  await allAreGood({ agents: [agent], good }, 'without the cache')
  await eventually('who was asked has lost its link', () => liars.some(({ events }) => events.unlinkedPeers.length > 0))
  assert.ok((await agent.metrics()).sum('shoal_requests_refused_total', { reason: 'protocol' }) > 0)
})

/** Something in the network that is no host of the fleet, and notes who comes. */
async function trap(t: TestContext): Promise<{ readonly address: string; visits: number }> {
  const found = { address: '', visits: 0 }
  const server = createServer((socket) => {
    found.visits++
    socket.on('error', () => {}).destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return Object.assign(found, { address: `127.0.0.1:${(server.address() as AddressInfo).port}` })
}

test('an address that a member has invented for itself is looked at by its cache once, and dialled by nobody else', async (t) => {
  const { fleet, cacheKey, agentKey, member } = await attacked(t)
  const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 1 })
  const layer = image.layers[0]!
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const cache = await fleet.start({ role: 'cache', upstreams, key: cacheKey })
  const target = await trap(t)
  const liar = await member({ announce: [target.address] })
  const link = await liar.swarm.connectAddress(cache.peerAddress, soon())
  const place = { upstream: UP, repository: 'team/app' }
  await link.request(blobRequests.manifest, { ...place, target: { kind: 'tag', tag: 'v1' } }, soon())
  const joined = await link.request(
    transferRequests.join,
    { ...place, digest: layer.digest, have: new Uint8Array() },
    soon(),
  )
  assert.equal(joined.kind, 'swarm')
  for (let n = 0; n < 3; n++) {
    const agent = await fleet.start({ upstreams, caches: [cache], key: agentKey })
    await agent.pull(UP, 'team/app', 'v1', image)
  }
  assert.equal(target.visits, 1)
  const other = await member()
  const answer = await (await other.swarm.connectAddress(cache.peerAddress, soon())).request(
    tierRequests.members,
    { limit: 64 },
    soon(),
  )
  assert.ok(answer.kind === 'members')
  assert.equal(answer.peers.length, 3, 'the hosts that are where they say, and nobody else, are named')
  assert.ok(answer.peers.every(({ proof }) => proof !== undefined))
})

test('a member that names others while the caches are gone makes nobody dial them', async (t) => {
  const scene = await poisoned(t, { ttlMs: HOUR_MS, maxStaleMs: HOUR_MS })
  const { agents, cache, member } = scene
  const target = await trap(t)
  const asked = []
  const invented = await member()
  for (let n = 0; n < 2; n++) {
    const liar = await member()
    liar.events.answer = async (name) => {
      if (name !== 'members') return { kind: 'refused', reason: 'unavailable', message: 'no' }
      asked.push(name)
      return { kind: 'members', peers: [{ key: invented.swarm.self.key, addresses: [target.address] }] }
    }
    for (const agent of agents) await liar.swarm.connectAddress(agent.peerAddress, soon())
  }
  await cache.node[Symbol.asyncDispose]()
  await eventually('the hosts have asked for others', () => asked.length >= 2)
  // in the same round as the answer, a host dials whom it believes
  await Promise.all(agents.map((agent) => agent.manifest(UP, 'team/app', 'v1')))
  assert.equal(target.visits, 0)
})
