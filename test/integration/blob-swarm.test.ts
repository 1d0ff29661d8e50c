import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { transfersSchema } from '../../src/admin/index.ts'
import { NEIGHBOURS_MOST } from '../../src/scheduler/index.ts'
import { contentBytes } from '../support/content-bytes.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { assertOneCopy } from '../support/one-copy.ts'

const UP = 'registry.test'
const KIB = 1024
/** Fewer than a home introduces at once. */
const NEIGHBOURS_SOUGHT = 8
/** What twenty hosts in one process may take on a loaded machine. */
const SWARM_MS = 300_000

test('several agents pull an image of many pieces at once, and the origin gives one copy', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 6 * KIB * KIB, layerCount: 2 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const { cache, agents } = await fleet.region({ upstreams }, 3)
  await Promise.all(agents.map((agent) => agent.pull(UP, 'team/app', 'v1', image)))
  const layerBytes = contentBytes(image)
  assertOneCopy(await cache.received('origin'), layerBytes)
  for (const agent of agents) {
    assert.equal(await agent.originRequests(), 0)
    assert.equal(await agent.received('origin'), 0)
    const bytes = (await agent.received('peer')) + (await agent.received('home'))
    assert.ok(bytes >= layerBytes && bytes < 1.5 * layerBytes, `${bytes} bytes for ${layerBytes}`)
    // the last byte leaves when the whole is proven, a moment before it is filed
    await eventually('both layers are filed', async () => {
      const stored = await agent.storedDigests()
      return image.layers.every(({ digest }) => stored.includes(digest))
    })
  }
})

test('a small blob comes in one round trip, and once from the origin', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 64 * KIB, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const { cache, agents } = await fleet.region({ upstreams }, 3)
  await Promise.all(agents.map((agent) => agent.pull(UP, 'team/app', 'v1', image)))
  // the config and the one layer; what they measure was known from the manifest
  assert.deepEqual([await cache.originRequests('blob'), await cache.originRequests('stat')], [2, 0])
  for (const agent of agents) {
    assert.equal(await agent.received('home'), image.config.size + image.layers[0]!.size)
    assert.equal(await agent.received('peer'), 0)
  }
})

test('a host that joins later is served by the fleet alone', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 2 * KIB * KIB, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const { cache, agents } = await fleet.region({ upstreams }, 1)
  await agents[0]!.pull(UP, 'team/app', 'v1', image)
  const before = await cache.originRequests()
  const late = await fleet.start({ upstreams, caches: [cache] })
  await late.pull(UP, 'team/app', 'v1', image)
  assert.equal(await cache.originRequests(), before)
  assert.equal(await late.originRequests(), 0)
})

/** The hosts that each transfer of this one exchanges pieces with. */
async function neighbours(host: TestNode): Promise<number[]> {
  const { transfers } = transfersSchema.parse(await host.admin('transfers'))
  return transfers.map(({ peers }) => peers)
}

test('in a swarm larger than a peer set hosts part with whom they can spare, and all get the image', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 8 * KIB * KIB, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  // no host can have everything before all have met
  const limits = { download: 256 * KIB }
  const { cache, agents } = await fleet.region({ upstreams, limits }, NEIGHBOURS_MOST + 4)
  await cache.setLimits({ download: 0 })
  const blobs = [image.config, image.layers[0]!].map(({ digest }) => digest)
  // one after the other, here and below: twenty hosts in one process that all ask at once get no answer in time
  for (const agent of agents) {
    assert.equal((await agent.manifest(UP, 'team/app', 'v1')).digest, image.manifest.digest)
  }
  const pulling: Promise<unknown>[] = []
  for (const agent of agents) {
    // as runtimes do, it asks again where the first piece was too long in coming
    const pulled = async (): Promise<boolean> => {
      const digests = await Promise.all(blobs.map((digest) => agent.blobDigest(UP, 'team/app', digest)))
      return digests.every((digest, i) => digest === blobs[i])
    }
    pulling.push(eventually('the image is there', () => pulled().catch(() => false), SWARM_MS))
    await eventually('its transfer runs', async () => (await neighbours(agent)).length > 0)
  }
  const watched = agents.slice(0, 6)
  let most = 0
  const look = async (): Promise<number[]> => {
    const sizes = (await Promise.all(watched.map(neighbours))).map((peers) => Math.max(0, ...peers))
    most = Math.max(most, ...sizes)
    return sizes
  }
  const haveMet = async (): Promise<boolean> => (await look()).every((peers) => peers >= NEIGHBOURS_SOUGHT)
  await eventually('every host has as many neighbours as it seeks', haveMet, SWARM_MS)
  await Promise.all(agents.map((node) => node.setLimits({ download: 0 })))
  let isOver = false
  const watching = (async () => {
    for (; !isOver; await wait(50)) await look()
  })()
  await Promise.all(pulling)
  isOver = true
  await watching
  assert.ok(most <= NEIGHBOURS_MOST, `${most} neighbours at most`)
  assertOneCopy(await cache.received('origin'), image.config.size + image.layers[0]!.size)
})

test('two regions under one parent region: the origin gives one copy, the parent one to each', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 3 * KIB * KIB, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const core = await fleet.start({ role: 'cache', region: 'core', upstreams })
  const parent = { region: 'core', caches: [core] }
  const [east, west] = [
    await fleet.region({ region: 'east', parent, upstreams }, 2),
    await fleet.region({ region: 'west', parent, upstreams }, 2),
  ]
  await Promise.all([...east.agents, ...west.agents].map((agent) => agent.pull(UP, 'team/app', 'v1', image)))
  const bytes = image.config.size + image.layers[0]!.size
  assertOneCopy(await core.received('origin'), bytes)
  for (const { cache, agents } of [east, west]) {
    assertOneCopy(await cache.received('parent'), bytes)
    assert.equal(await cache.received('origin'), 0)
    assert.equal(await cache.originRequests(), 0)
    for (const agent of agents) assert.equal((await agent.received('parent')) + (await agent.received('origin')), 0)
  }
  assert.equal(await core.originRequests('tag'), 1)
})

test('with several caches each blob has one home: together they read one copy', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 4 * KIB * KIB, layerCount: 4 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const caches: TestNode[] = []
  // each knows the ones before it, and is told of the later ones by their dials
  while (caches.length < 3) caches.push(await fleet.start({ role: 'cache', upstreams, caches: [...caches] }))
  const agents = await Promise.all([1, 2, 3].map(() => fleet.start({ upstreams, caches })))
  await Promise.all(agents.map((agent) => agent.pull(UP, 'team/app', 'v1', image)))
  const received = await Promise.all(caches.map((cache) => cache.received('origin')))
  const together = received.reduce((sum, bytes) => sum + bytes, 0)
  assertOneCopy(together, contentBytes(image))
  const tags = await Promise.all(caches.map((cache) => cache.originRequests('tag')))
  assert.deepEqual(tags.sort(), [0, 0, 1])
})
