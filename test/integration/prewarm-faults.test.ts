import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '../../src/base/log.ts'
import { noMetrics } from '../../src/base/metrics.ts'
import { blobKey } from '../../src/demo/index.ts'
import type { PrewarmView } from '../../src/prewarm/index.ts'
import { JobStore } from '../../src/prewarm/job-store.ts'
import { DiskStore } from '../../src/store/index.ts'
import { askPrewarm } from '../support/ask-prewarm.ts'
import { contentBytes } from '../support/content-bytes.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { twoImages } from '../support/two-images.ts'

const MIB = 1024 * 1024
const UP = 'registry.test'

async function ended(host: TestNode, id: string): Promise<PrewarmView> {
  const end = await eventually(`job ${id} has ended`, async () => {
    const job = await askPrewarm(host, `/${id}`)
    return job.state === 'running' ? undefined : job
  })
  assert.ok(end)
  return end
}

/** Makes it long ago that a job ended, on the disk of a cache that is off. */
async function endedLongAgo(path: string, id: string): Promise<void> {
  const options = { path, capacityBytes: 512 * MIB, minFreeBytes: 0 }
  await using store = await DiskStore.open(options, { logger: silentLogger, metrics: noMetrics })
  const jobStore = new JobStore(store)
  await jobStore.load()
  const row = jobStore.get(id)
  assert.equal(row?.state, 'cancelled')
  const then = Date.now() - 3_600_000
  const times = { createdEpochMs: then - 60_000, endedEpochMs: then, changedEpochMs: then }
  await jobStore.put({ ...row!, revision: row!.revision + 1, ...times }).written
}

test('a host that was away when its job was cancelled does not go on with it, however late it is back', async (t) => {
  const fleet = await NodeFleet.create(t)
  const old = { repository: 'team/old', sizeBytes: 16 * MIB }
  const { upstreams } = await twoImages(fleet, UP, old, { repository: 'team/next' })
  const [cacheStore, agentStore] = [{ path: join(fleet.directory, 'cache') }, { path: join(fleet.directory, 'agent') }]
  const cache = await fleet.start({ role: 'cache', upstreams, store: cacheStore })
  const agent = await fleet.start({ caches: [cache], upstreams, store: agentStore })
  // this would take hours, and what comes after it would wait for it
  const { id } = await askPrewarm(agent, '', { method: 'POST', body: { images: [`${UP}/team/old:1`], rate: '1KiB' } })
  await eventually('the host is at work', async () => (await askPrewarm(cache, `/${id}`)).hosts.moving === 1)
  await agent.node[Symbol.asyncDispose]()
  await askPrewarm(cache, `/${id}`, { method: 'DELETE' })
  await cache.node[Symbol.asyncDispose]()
  await endedLongAgo(cacheStore.path, id)
  const again = await fleet.start({ role: 'cache', upstreams, store: cacheStore })
  const back = await fleet.start({ caches: [again], upstreams, store: agentStore })
  const { id: second } = await askPrewarm(back, '', {
    method: 'POST',
    body: { images: [`${UP}/team/next:1`], join: '1h' },
  })
  const end = await ended(back, second)
  assert.deepEqual([end.state, end.hosts.ready], ['done', 1])
  assert.equal((await askPrewarm(back, `/${id}`)).state, 'cancelled')
})

test('a disk that is full of what nobody needs any more takes a second job', async (t) => {
  const fleet = await NodeFleet.create(t)
  const each = { sizeBytes: 6 * MIB, layerCount: 2 }
  const [first, second] = [
    { repository: 'team/first', ...each },
    { repository: 'team/second', ...each },
  ]
  const { upstreams } = await twoImages(fleet, UP, first, second)
  const cache = await fleet.start({ role: 'cache', upstreams })
  const small = await fleet.start({ caches: [cache], upstreams, store: { capacityBytes: 8 * MIB } })
  for (const name of ['first', 'second']) {
    const { id } = await askPrewarm(small, '', { method: 'POST', body: { images: [`${UP}/team/${name}:1`] } })
    const end = await ended(small, id)
    assert.deepEqual([end.state, end.hosts.ready, end.reasons], ['done', 1, []], name)
  }
})

for (const [size, sizeBytes] of [
  ['large', 4 * MIB],
  ['small', 64 * 1024],
] as const) {
  test(`a ${size} layer that the origin does not have fails the job soon, and by name`, async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ sizeBytes, layerCount: 1 })
    const path = await fleet.push('origin', 'team/hole', '1', image)
    const { digest } = image.layers[0]!
    await rm(join(path, blobKey(digest)))
    const { agents } = await fleet.region({ upstreams: [directoryUpstream(UP, path)] }, 2)
    const { id } = await askPrewarm(agents[0]!, '', { method: 'POST', body: { images: [`${UP}/team/hole:1`] } })
    const end = await ended(agents[0]!, id)
    assert.deepEqual([end.state, end.hosts.failed], ['failed', 2])
    const [{ reason, count } = assert.fail('no reason')] = end.reasons
    assert.equal(count, 2)
    for (const part of [`${UP}/team/hole:1`, digest, / (no longer )?has /]) assert.match(reason, new RegExp(part))
  })
}

test('hosts whose only cache is gone do not read the origin for a job, and do for a pull', async (t) => {
  const fleet = await NodeFleet.create(t)
  const app = { repository: 'team/app', sizeBytes: 16 * MIB, layerCount: 2 }
  const second = { repository: 'team/other', sizeBytes: MIB, layerCount: 1 }
  const { images, upstreams } = await twoImages(fleet, UP, app, second)
  const other = images[1]
  const { cache, agents } = await fleet.region({ upstreams }, 2)
  const { id } = await askPrewarm(agents[0]!, '', {
    method: 'POST',
    // slow enough to be still at work whenever this loaded machine looks
    body: { images: [`${UP}/team/app:1`], rate: '256KiB' },
  })
  await eventually('all hosts are at work', async () => {
    const { hosts, bytes } = await askPrewarm(agents[0]!, `/${id}`)
    return hosts.moving === 2 && bytes.have > MIB
  })
  await cache.node[Symbol.asyncDispose]()
  // it has to wait until the cache is given up, and then goes to the origin
  await agents[0]!.pull(UP, 'team/other', '1', other)
  const size = contentBytes(other)
  let read = 0
  for (const agent of agents) read += await agent.received('origin')
  assert.ok(read <= size, `${read} bytes for an image of ${size}`)
})
