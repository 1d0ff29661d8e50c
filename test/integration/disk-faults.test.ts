import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { assertOneCopy } from '../support/one-copy.ts'
import { NO_MOUNTS, SmallDisk } from '../support/small-disk.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024
const IMAGE = { sizeBytes: 4 * MIB, layerCount: 2 }

test('a cache whose disk breaks serves its region at one copy, and says what is wrong', {
  skip: NO_MOUNTS,
}, async (t) => {
  const disk = await SmallDisk.onDevice(t, 128)
  const fleet = await NodeFleet.create(t)
  const [before, after] = [await fleet.image({ ...IMAGE, seed: 1 }), await fleet.image({ ...IMAGE, seed: 2 })]
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', before))]
  await fleet.push('origin', 'team/app', 'v2', after)
  const cache = await fleet.start({ role: 'cache', upstreams, store: { path: join(disk.path, 'store') } })
  const agents = await Promise.all([1, 2].map(() => fleet.start({ upstreams, caches: [cache] })))
  await agents[0]!.pull(UP, 'team/app', 'v1', before)
  await eventually('the cache has stored it', async () => (await cache.storedDigests()).length === 4)
  disk.break()
  const had = await cache.received('origin')
  for (const agent of agents) await agent.pull(UP, 'team/app', 'v2', after)
  const total = after.config.size + after.layers.reduce((sum, { size }) => sum + size, 0)
  const read = await cache.received('origin')
  assertOneCopy(read - had, total)
  await agents[1]!.pull(UP, 'team/app', 'v1', before)
  assert.equal(await cache.received('origin'), read, 'what is on its disk is still served')
  assert.equal((await cache.metrics()).sum('shoal_store_state', { state: 'read_only' }), 1)
  assert.equal((await fetch(`${cache.adminUrl}/readyz`)).status, 200)
  const wanting = await fetch(`${cache.adminUrl}/readyz?want=disk`)
  assert.equal(wanting.status, 503)
  assert.match(await wanting.text(), /read-only/)
  await cache.node[Symbol.asyncDispose]()
})

test('a host starts on a disk that takes nothing, pulls, and stores what it has once the disk takes it', {
  skip: NO_MOUNTS,
}, async (t) => {
  const disk = await SmallDisk.inMemory(t, 'size=64m')
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image(IMAGE)
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const first = await fleet.start({ upstreams, store: { path: join(disk.path, 'store') } })
  await first.node[Symbol.asyncDispose]()
  disk.setReadOnly(true)
  const host = await fleet.start({ upstreams, store: { path: join(disk.path, 'store') } })
  for (let i = 0; i < 2; i++) await host.pull(UP, 'team/app', 'v1', image)
  const total = image.config.size + image.layers.reduce((sum, { size }) => sum + size, 0)
  const read = await host.received('origin')
  assertOneCopy(read, total)
  disk.setReadOnly(false)
  await eventually('all of it is on disk', async () => (await host.storedDigests()).length === 4)
  await host.pull(UP, 'team/app', 'v1', image)
  assert.equal(await host.received('origin'), read)
  assert.equal((await host.metrics()).sum('shoal_store_state', { state: 'ok' }), 1)
  await host.node[Symbol.asyncDispose]()
})
