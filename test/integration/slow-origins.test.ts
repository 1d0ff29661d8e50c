import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { blobKey } from '../../src/demo/index.ts'
import { eventually } from '../support/eventually.ts'
import { FakeRegistry } from '../support/fake-registry.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024
/** Longer than a range once had to bring a piece, and than half of what a runtime waits for headers. */
const SLOW_MS = 4_400

describe('what slow origins send, counted', () => {
  test('seconds to the first byte of every range: the blob comes whole, and no byte of it twice', async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ sizeBytes: 40 * MIB, layerCount: 1 })
    const origin = await FakeRegistry.start(t, image)
    const agent = await fleet.start({ upstreams: [origin.upstream(UP)] })
    assert.equal((await agent.manifest(UP, 'team/app', 'v1')).status, 200)
    const layer = image.layers[0]!
    origin.hook = async ({ kind }) => {
      if (kind === 'blob') await wait(SLOW_MS)
      return false
    }
    assert.equal(await agent.blobDigest(UP, 'team/app', layer.digest), layer.digest)
    assert.ok(origin.sentBytes <= 1.1 * layer.size, `${origin.sentBytes} bytes`)
  })

  test('503 with Retry-After in the middle of a layer: asked for less, and then the layer comes', async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ sizeBytes: 48 * MIB, layerCount: 1 })
    const origin = await FakeRegistry.start(t, image)
    const { agents } = await fleet.region({ upstreams: [origin.upstream(UP)] }, 1)
    const layer = image.layers[0]!
    let refusals = 0
    origin.hook = ({ target }, response) => {
      const isRefused = target === layer.digest && origin.requests(target) > 1 && refusals < 6
      if (isRefused) response.writeHead(503, { 'retry-after': ++refusals > 3 ? '2' : '0' }).end('{}')
      return isRefused
    }
    await agents[0]!.manifest(UP, 'team/app', 'v1')
    assert.equal(await agents[0]!.blobDigest(UP, 'team/app', layer.digest), layer.digest)
    assert.ok(origin.sentBytes <= 1.1 * layer.size, `${origin.sentBytes} bytes`)
    assert.equal(refusals, 6)
  })

  test('little for each connection: more ranges are read at a time, and no byte twice', async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ sizeBytes: 64 * MIB, layerCount: 1 })
    const origin = await FakeRegistry.start(t, image)
    origin.answerRate = 1_000_000
    const agent = await fleet.start({ upstreams: [origin.upstream(UP)] })
    await agent.pull(UP, 'team/app', 'v1', image)
    assert.ok(origin.sending.most > 4, `${origin.sending.most} at a time`)
    assert.ok(origin.sending.most <= 16, `${origin.sending.most} at a time`)
    assert.ok(origin.sentBytes <= 1.2 * image.layers[0]!.size, `${origin.sentBytes} bytes`)
  })

  test('an origin that ignores Range is read once, for everybody and from the first blob on', async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ sizeBytes: 32 * MIB, layerCount: 2 })
    const origin = await FakeRegistry.start(t, image)
    origin.ignoresRange = true
    const { agents } = await fleet.region({ upstreams: [origin.upstream(UP)] }, 2)
    await Promise.all(agents.map((agent) => agent.pull(UP, 'team/app', 'v1', image)))
    for (const { digest } of image.layers) assert.equal(origin.requests(digest), 1)
    assert.equal(origin.sentBytes, image.config.size + image.layers.reduce((sum, { size }) => sum + size, 0))
  })
})

// these wait more than they work
describe('origins that are slow, refuse, or do not do as told', { concurrency: 4 }, () => {
  for (const [name, status] of Object.entries({ missing: 404, denied: 401, forbidden: 403 })) {
    test(`a layer that is ${name} at the origin is 404 at once, after one question`, async (t) => {
      const fleet = await NodeFleet.create(t)
      const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 1 })
      const origin = await FakeRegistry.start(t, image)
      const { agents } = await fleet.region({ upstreams: [origin.upstream(UP)] }, 1)
      const layer = image.layers[0]!
      origin.hook = ({ target }, response) => {
        if (target === layer.digest) response.writeHead(status).end('{}')
        return target === layer.digest
      }
      await agents[0]!.manifest(UP, 'team/app', 'v1')
      assert.equal(await agents[0]!.blobDigest(UP, 'team/app', layer.digest), 404)
      assert.equal(origin.requests(layer.digest), 1)
    })
  }

  for (const [name, act] of Object.entries({
    'that is closed': (socket: { destroy(): void } | null) => socket?.destroy(),
    'that hangs': () => {},
  })) {
    test(`a question ${name} ends as 404 while the runtime still waits for headers`, async (t) => {
      const fleet = await NodeFleet.create(t)
      const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 1 })
      const origin = await FakeRegistry.start(t, image)
      const { agents } = await fleet.region({ upstreams: [origin.upstream(UP)] }, 1)
      const layer = image.layers[0]!
      origin.hook = ({ target }, response) => {
        if (target === layer.digest) act(response.socket)
        return target === layer.digest
      }
      await agents[0]!.manifest(UP, 'team/app', 'v1')
      assert.equal(await agents[0]!.blobDigest(UP, 'team/app', layer.digest), 404)
    })
  }

  test('a bucket that links to a layer without having it: 404', async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 1 })
    const root = await fleet.push('origin', 'team/app', 'v1', image)
    const layer = image.layers[0]!
    await rm(join(root, blobKey(layer.digest)))
    const { cache, agents } = await fleet.region({ upstreams: [directoryUpstream(UP, root)] }, 1)
    await agents[0]!.manifest(UP, 'team/app', 'v1')
    assert.equal(await agents[0]!.blobDigest(UP, 'team/app', layer.digest), 404)
    assert.equal(await cache.originRequests('blob'), 1)
  })

  test('seconds for each answer: a tag is asked for once, with its manifest, by all hosts together', async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 1 })
    const origin = await FakeRegistry.start(t, image)
    origin.hook = () => wait(SLOW_MS, false)
    const caches = [await fleet.start({ role: 'cache', upstreams: [origin.upstream(UP)] })]
    caches.push(await fleet.start({ role: 'cache', upstreams: [origin.upstream(UP)], caches }))
    const spec = { upstreams: [origin.upstream(UP)], caches }
    const agents = await Promise.all([fleet.start(spec), fleet.start(spec), fleet.start(spec)])
    const hasIt = async (agent: TestNode): Promise<boolean> => {
      return (await agent.manifest(UP, 'team/app', 'v1')).digest === image.manifest.digest
    }
    await Promise.all(agents.map((agent) => eventually('the manifest is there', () => hasIt(agent))))
    assert.deepEqual(
      origin.asked.map(({ method, target }) => `${method} ${target}`),
      ['GET v1'],
    )
  })

  test('ten seconds for every answer: a pull through a cache comes, as from the registry itself', async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 2 })
    const origin = await FakeRegistry.start(t, image)
    origin.hook = () => wait(10_000, false)
    const { agents } = await fleet.region({ upstreams: [origin.upstream(UP)] }, 2)
    // of an origin that has never answered nothing is known: its first runtimes go to the registry, and find the rest here
    const first = await Promise.all(agents.map((agent) => agent.manifest(UP, 'team/app', 'v1')))
    for (const { status } of first) assert.equal(status, 404)
    await eventually('it has answered', async () => (await agents[0]!.manifest(UP, 'team/app', 'v1')).status === 200)
    await Promise.all(agents.map((agent) => agent.pull(UP, 'team/app', 'v1', image)))
    const bytes = image.config.size + image.layers.reduce((sum, { size }) => sum + size, 0)
    assert.equal(origin.sentBytes, bytes)
  })

  test('an origin that never answers: every request through a cache ends as 404', async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 1 })
    const origin = await FakeRegistry.start(t, image)
    origin.hook = () => true
    const { agents } = await fleet.region({ upstreams: [origin.upstream(UP)] }, 1)
    const agent = agents[0]!
    assert.equal((await agent.manifest(UP, 'team/app', 'v1')).status, 404)
    assert.equal((await agent.manifest(UP, 'team/app', image.manifest.digest)).status, 404)
    for (const { digest } of [image.config, ...image.layers]) {
      assert.equal(await agent.blobDigest(UP, 'team/app', digest), 404)
    }
    assert.ok(origin.asked.length > 0)
  })

  test('longer for an answer than runtimes wait: it is there for who asks again', async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 1 })
    const origin = await FakeRegistry.start(t, image)
    origin.hook = () => wait(32_000, false)
    const { agents } = await fleet.region({ upstreams: [origin.upstream(UP)] }, 2)
    const first = await agents[0]!.manifest(UP, 'team/app', 'v1')
    assert.equal(first.status, 404)
    const again = async (): Promise<boolean> => (await agents[1]!.manifest(UP, 'team/app', 'v1')).status === 200
    await eventually('the manifest is there', again)
    assert.equal(origin.asked.length, 1)
  })
})
