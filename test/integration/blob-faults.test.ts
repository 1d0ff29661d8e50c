import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BlobFile } from '../../src/demo/index.ts'
import { blobKey } from '../../src/demo/index.ts'
import { eventually } from '../support/eventually.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { assertOneCopy } from '../support/one-copy.ts'

const UP = 'registry.test'
const KIB = 1024
/** Several pieces in each layer. */
const LARGE = { sizeBytes: 2 * KIB * KIB, layerCount: 1 }
const SMALL = { sizeBytes: 64 * KIB, layerCount: 1 }

/** Changes one byte of a blob in an origin's directory: in the middle, where a prefix has been sent by then. */
async function spoil(root: string, blob: BlobFile): Promise<void> {
  const file = join(root, blobKey(blob.digest))
  const bytes = await readFile(file)
  bytes[Math.floor(bytes.length / 2)]! ^= 1
  // a new file: the old one is linked to what other origins have
  await rm(file)
  await writeFile(file, bytes)
}

for (const [size, spec] of [
  ['large', LARGE],
  ['small', SMALL],
] as const) {
  test(`wrong bytes at the first origin: a ${size} blob comes from the second one`, async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image(spec)
    const bad = await fleet.push('bad', 'team/app', 'v1', image)
    const good = await fleet.push('good', 'team/app', 'v1', image)
    await spoil(bad, image.layers[0]!)
    const { agents } = await fleet.region({ upstreams: [directoryUpstream(UP, bad, good)] }, 2)
    const { digest } = image.layers[0]!
    await Promise.all(
      agents.map(async (agent) => {
        await agent.manifest(UP, 'team/app', 'v1')
        // a client that was given some of the wrong bytes is cut off, and asks again as runtimes do
        await eventually('the right content', async () => {
          const got = await agent.blobDigest(UP, 'team/app', digest).catch(() => undefined)
          assert.ok(got === undefined || got === 404 || got === digest, `${got} was handed out whole`)
          return got === digest
        })
      }),
    )
  })

  test(`wrong bytes at every origin: a ${size} blob ends in a failure, and nothing is kept`, async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image(spec)
    const bad = await fleet.push('bad', 'team/app', 'v1', image)
    await spoil(bad, image.layers[0]!)
    const { cache, agents } = await fleet.region({ upstreams: [directoryUpstream(UP, bad)] }, 1)
    const agent = agents[0]!
    await agent.manifest(UP, 'team/app', 'v1')
    const { digest } = image.layers[0]!
    const first = await agent.blobDigest(UP, 'team/app', digest).catch(() => 'cut off')
    assert.ok(first === 'cut off' || first === 404, String(first))
    for (const node of [agent, cache]) assert.ok(!(await node.storedDigests()).includes(digest))
    // the rest of the image is not affected
    assert.equal(await agent.blobDigest(UP, 'team/app', image.config.digest), image.config.digest)
  })
}

test('an agent without room passes a blob through, and keeps nothing of it', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image(LARGE)
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const { cache } = await fleet.region({ upstreams }, 0)
  const full = await fleet.start({ upstreams, caches: [cache], store: { capacityBytes: 512 * KIB } })
  await full.pull(UP, 'team/app', 'v1', image)
  assert.ok(!(await full.storedDigests()).includes(image.layers[0]!.digest))
  assert.equal(await full.originRequests(), 0)
})

test('a host on its own without room passes what does not fit through memory, ranges included', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image(LARGE)
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const node = await fleet.start({ upstreams, store: { capacityBytes: 512 * KIB } })
  await node.pull(UP, 'team/app', 'v1', image)
  const layer = image.layers[0]!
  const start = layer.size - 300 * KIB
  const response = await node.get(UP, `team/app/blobs/${layer.digest}`, { range: `bytes=${start}-` })
  assert.equal(response.status, 206)
  const expected = (await readFile(layer.path)).subarray(start)
  assert.ok(expected.equals(Buffer.from(await response.arrayBuffer())))
})

test('a cache without room serves its region through memory, at one copy from the origin', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image(LARGE)
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const cache = await fleet.start({ role: 'cache', upstreams, store: { capacityBytes: 512 * KIB } })
  const agents = await Promise.all([1, 2].map(() => fleet.start({ upstreams, caches: [cache] })))
  for (const agent of agents) await agent.pull(UP, 'team/app', 'v1', image)
  const total = image.config.size + image.layers.reduce((sum, { size }) => sum + size, 0)
  assertOneCopy(await cache.received('origin'), total)
})

test('when the cache dies, its hosts stand in for it and go on pulling', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image(LARGE)
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const { cache, agents } = await fleet.region({ upstreams }, 2)
  await cache.node[Symbol.asyncDispose]()
  await Promise.all(agents.map((agent) => agent.pull(UP, 'team/app', 'v1', image)))
})

test('a cache that dies in the middle of a pull costs time, not the pull', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 4 * KIB * KIB, layerCount: 2 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const { cache, agents } = await fleet.region({ upstreams, limits: { upload: 512 * KIB } }, 2)
  const pulls = agents.map((agent) => agent.pull(UP, 'team/app', 'v1', image))
  await eventually('pieces are under way', async () => (await agents[0]!.received('home')) > 256 * KIB)
  await cache.node[Symbol.asyncDispose]()
  await Promise.all(pulls)
})

test('a host that stops in the middle goes on from the pieces it has', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 4 * KIB * KIB, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  // so slow that the part is still a part whenever this loaded machine looks
  const { cache } = await fleet.region({ upstreams, limits: { upload: 512 * KIB } }, 0)
  const layer = image.layers[0]!
  const store = { path: join(fleet.directory, 'restarted') }
  const first = await fleet.start({ upstreams, caches: [cache], store })
  await first.manifest(UP, 'team/app', 'v1')
  const broken = first.blobDigest(UP, 'team/app', layer.digest)
  await eventually('a part is here', async () => (await first.received('home')) >= KIB * KIB)
  await Promise.all([assert.rejects(broken), first.node[Symbol.asyncDispose]()])
  await cache.setLimits({ upload: 0 })
  const second = await fleet.start({ upstreams, caches: [cache], store })
  assert.equal(await second.blobDigest(UP, 'team/app', layer.digest), layer.digest)
  const again = await second.received('home')
  assert.ok(again < layer.size - 512 * KIB, `${again} of ${layer.size} bytes came again`)
  assert.equal(await second.originRequests(), 0)
})

test('an origin with wrong bytes, and a right one behind it: nobody innocent is banned or doubted, all hosts get the blob', async (t) => {
  const fleet = await NodeFleet.create(t)
  const layers = await fleet.image({ sizeBytes: 4 * KIB * KIB, layerCount: 4, seed: 3 })
  const bad = await fleet.push('bad', 'team/app', 'v1', layers)
  const good = await fleet.push('good', 'team/app', 'v1', layers)
  for (const layer of layers.layers) await spoil(bad, layer)
  const upstreams = [directoryUpstream(UP, bad, good)]
  const core = await fleet.start({ role: 'cache', region: 'core', upstreams })
  const edge = { region: 'edge', parent: { region: 'core', caches: [core] }, upstreams }
  const { cache, agents } = await fleet.region(edge, 3)
  await Promise.all(
    agents.map(async (agent) => {
      await agent.manifest(UP, 'team/app', 'v1')
      for (const { digest } of layers.layers) {
        await eventually('the right content', async () => {
          const got = await agent.blobDigest(UP, 'team/app', digest).catch(() => undefined)
          assert.ok(got === undefined || got === 404 || got === digest, `${got} was handed out whole`)
          return got === digest
        })
      }
    }),
  )
  for (const host of [core, cache, ...agents]) {
    assert.equal((await host.metrics()).sum('shoal_peers', { state: 'banned' }), 0)
    const { tier } = (await host.admin('status')) as { tier: { state: string } }
    assert.notEqual(tier.state, 'acting')
  }
})
