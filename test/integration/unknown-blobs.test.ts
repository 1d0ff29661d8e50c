import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import { systemClock } from '../../src/base/clock.ts'
import { ALONE_MS } from '../../src/base/patience.ts'
import { blobRequests } from '../../src/blob/index.ts'
import type { BuiltImage } from '../../src/demo/index.ts'
import { Link } from '../../src/swarm/link.ts'
import { transferRequests } from '../../src/transfer/index.ts'
import { contentBytes } from '../support/content-bytes.ts'
import { eventually } from '../support/eventually.ts'
import { FakeRegistry } from '../support/fake-registry.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { assertOneCopy } from '../support/one-copy.ts'

const UP = 'registry.test'
const SILENT = 'silent.test'
const MIB = 1024 * 1024
const WATCHED: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [blobRequests.stat, 'stat'],
  [transferRequests.join, 'join'],
])

/** The machine's time, in which a blob of unknown size is waited for by itself for ever, or not at all. */
function clockThatWaits(how: 'for ever' | 'not at all'): Clock {
  const after: Clock['after'] = (ms, call) => {
    if (ms !== ALONE_MS) return systemClock.after(ms, call)
    return how === 'not at all' ? systemClock.after(0, call) : { [Symbol.dispose]() {} }
  }
  return { now: () => systemClock.now(), wall: () => systemClock.wall(), after }
}

async function region(
  t: TestContext,
  clock: Clock,
): Promise<{ agent: TestNode; cache: TestNode; image: BuiltImage; asked: string[] }> {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 6 * MIB, layerCount: 1 })
  const root = await fleet.push('origin', 'team/app', 'v1', image)
  await fleet.push('origin', 'team/other', 'v1', await fleet.image({ sizeBytes: 1024, layerCount: 1, seed: 2 }))
  const upstreams = [directoryUpstream(UP, root)]
  const cache = await fleet.start({ role: 'cache', upstreams })
  const agent = await fleet.start({ upstreams, caches: [cache], clock })
  const asked: string[] = []
  const { request } = Link.prototype
  t.mock.method(Link.prototype, 'request', function (this: Link, ...args: Parameters<typeof request>) {
    const name = WATCHED.get(args[0])
    // a home asks its hosts, too: whether they have it already
    if (name !== undefined && this.peer.role === 'cache') asked.push(name)
    return request.apply(this, args)
  })
  return { agent, cache, image, asked }
}

test('a blob of which a host knows nothing, small or large, is asked for without its size', async (t) => {
  const { agent, cache, image, asked } = await region(t, clockThatWaits('for ever'))
  for (const { digest } of [image.config, image.layers[0]!]) {
    asked.length = 0
    assert.equal(await agent.blobDigest(UP, 'team/app', digest), digest)
    // a slow swarm is joined again
    assert.deepEqual([...new Set(asked)], ['join'])
  }
  assert.equal(await agent.originRequests(), 0)
  assert.equal(await cache.originRequests('stat'), 2)
  assertOneCopy(await cache.received('origin'), contentBytes(image))
})

test('a blob that does not come at once is asked for its size, too, and comes once', async (t) => {
  const { agent, cache, image, asked } = await region(t, clockThatWaits('not at all'))
  const { digest } = image.layers[0]!
  assert.equal(await agent.blobDigest(UP, 'team/app', digest), digest)
  assert.deepEqual([...new Set(asked)].toSorted(), ['join', 'stat'])
  assert.equal(await agent.originRequests(), 0)
  assertOneCopy(await cache.received('origin'), image.layers[0]!.size)
})

test('what one repository is refused, another may have in the same moment', async (t) => {
  const { agent, image } = await region(t, clockThatWaits('for ever'))
  const { digest } = image.layers[0]!
  const [other, own] = await Promise.all([
    agent.blobDigest(UP, 'team/other', digest),
    agent.blobDigest(UP, 'team/app', digest),
  ])
  assert.deepEqual([other, own], [404, digest])
  assert.equal(await agent.originRequests(), 0)
})

test('a registry that does not answer about a blob keeps nobody from it who may have it of another', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 6 * MIB, layerCount: 1 })
  const gate = Promise.withResolvers<void>()
  t.after(() => gate.resolve())
  const silent = await FakeRegistry.start(t, image)
  silent.hook = () => gate.promise.then(() => false)
  const root = await fleet.push('origin', 'team/app', 'v1', image)
  const upstreams = [directoryUpstream(UP, root), silent.upstream(SILENT)]
  const cache = await fleet.start({ role: 'cache', upstreams })
  const agent = await fleet.start({ upstreams, caches: [cache], clock: clockThatWaits('for ever') })
  const { digest } = image.layers[0]!
  const waits = agent.blobDigest(SILENT, 'team/app', digest)
  await eventually('the registry is asked', () => silent.asked.length > 0)
  assert.equal(await agent.blobDigest(UP, 'team/app', digest), digest)
  gate.resolve()
  await waits
})
