import assert from 'node:assert/strict'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { tagKey } from '../../src/demo/index.ts'
import { eventually } from '../support/eventually.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'

const UP = 'registry.test'
const SMALL = { sizeBytes: 8192, layerCount: 1 }
const HOUR_MS = 3_600_000

test('a tag is resolved once, by its home, for everybody who asks within its time to live', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image(SMALL)
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const { cache, agents } = await fleet.region({ upstreams, tags: { ttlMs: HOUR_MS } }, 3)
  for (let round = 0; round < 2; round++) {
    const answers = await Promise.all(agents.map((agent) => agent.manifest(UP, 'team/app', 'v1')))
    for (const { digest, stale } of answers) assert.deepEqual([digest, stale], [image.manifest.digest, false])
  }
  assert.deepEqual([await cache.originRequests('tag'), await cache.originRequests('manifest')], [1, 1])
  for (const agent of agents) assert.equal(await agent.originRequests(), 0)
  const lookups = await cache.metrics()
  assert.equal(lookups.sum('shoal_tag_lookups_total', { result: 'miss' }), 1)
  assert.ok(lookups.sum('shoal_tag_lookups_total', { result: 'fresh' }) >= 1)
})

test('after its time to live a tag is confirmed without reading the manifest again, and a moved one is followed', async (t) => {
  const fleet = await NodeFleet.create(t)
  const [old, moved] = [await fleet.image({ ...SMALL, seed: 1 }), await fleet.image({ ...SMALL, seed: 2 })]
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', old))]
  const { cache, agents } = await fleet.region({ upstreams, tags: { ttlMs: 0 } }, 1)
  const agent = agents[0]!
  for (let n = 0; n < 3; n++) assert.equal((await agent.manifest(UP, 'team/app', 'v1')).digest, old.manifest.digest)
  const metrics = await cache.metrics()
  assert.equal(metrics.sum('shoal_origin_requests_total', { kind: 'tag', result: 'unchanged' }), 2)
  assert.equal(metrics.sum('shoal_tag_lookups_total', { result: 'revalidated' }), 2)
  assert.equal(await cache.originRequests('manifest'), 1)
  await fleet.push('origin', 'team/app', 'v1', moved)
  assert.equal((await agent.manifest(UP, 'team/app', 'v1')).digest, moved.manifest.digest)
})

test('within its time to live a moved tag is believed, until it is invalidated through any host', async (t) => {
  const fleet = await NodeFleet.create(t)
  const [old, moved] = [await fleet.image({ ...SMALL, seed: 1 }), await fleet.image({ ...SMALL, seed: 2 })]
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', old))]
  const { agents } = await fleet.region({ upstreams, tags: { ttlMs: HOUR_MS } }, 2)
  const [one, two] = [agents[0]!, agents[1]!]
  assert.equal((await one.manifest(UP, 'team/app', 'v1')).digest, old.manifest.digest)
  await fleet.push('origin', 'team/app', 'v1', moved)
  assert.equal((await two.manifest(UP, 'team/app', 'v1')).digest, old.manifest.digest)
  const answer = await two.admin('invalidate', { reference: `${UP}/team/app:v1` })
  assert.deepEqual(answer, { reference: `${UP}/team/app:v1`, digest: old.manifest.digest, everywhere: true })
  assert.equal((await one.manifest(UP, 'team/app', 'v1')).digest, moved.manifest.digest)
})

test('with the origin gone the last known answer is served, marked, and not longer than allowed', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image(SMALL)
  const root = await fleet.push('origin', 'team/app', 'v1', image)
  const upstreams = [directoryUpstream(UP, root)]
  const patient = await fleet.region({ upstreams, tags: { ttlMs: 0, maxStaleMs: HOUR_MS } }, 1)
  const strict = await fleet.start({ upstreams, tags: { ttlMs: 0, maxStaleMs: 1 } })
  const agent = patient.agents[0]!
  for (const node of [agent, strict]) assert.equal((await node.manifest(UP, 'team/app', 'v1')).stale, false)
  await rename(root, `${root}-gone`)
  const answer = await agent.manifest(UP, 'team/app', 'v1')
  assert.deepEqual([answer.status, answer.digest, answer.stale], [200, image.manifest.digest, true])
  assert.equal((await patient.cache.metrics()).sum('shoal_tag_lookups_total', { result: 'stale' }), 1)
  await eventually(
    'the old answer is refused',
    async () => (await strict.manifest(UP, 'team/app', 'v1')).status === 404,
  )
  await rename(`${root}-gone`, root)
  await eventually('the origin is asked again', async () => !(await agent.manifest(UP, 'team/app', 'v1')).stale)
})

test('a tag that was removed is gone, not stale', async (t) => {
  const fleet = await NodeFleet.create(t)
  const root = await fleet.push('origin', 'team/app', 'v1', await fleet.image(SMALL))
  const node = await fleet.start({ upstreams: [directoryUpstream(UP, root)], tags: { ttlMs: 0 } })
  assert.equal((await node.manifest(UP, 'team/app', 'v1')).status, 200)
  await rm(join(root, tagKey('team/app', 'v1')))
  assert.equal((await node.manifest(UP, 'team/app', 'v1')).status, 404)
})

test('tags that stand for signatures and referrers are looked up at the origin every time', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image(SMALL)
  const tag = `${image.manifest.digest.replace(':', '-')}.sig`
  const root = await fleet.push('origin', 'team/app', 'v1', image)
  const { cache, agents } = await fleet.region(
    { upstreams: [directoryUpstream(UP, root)], tags: { ttlMs: HOUR_MS } },
    1,
  )
  const agent = agents[0]!
  assert.equal((await agent.manifest(UP, 'team/app', tag)).status, 404)
  const link = join(root, tagKey('team/app', tag))
  await mkdir(dirname(link), { recursive: true })
  await writeFile(link, image.manifest.digest)
  for (let n = 0; n < 2; n++) assert.equal((await agent.manifest(UP, 'team/app', tag)).digest, image.manifest.digest)
  assert.equal(await cache.originRequests('tag'), 3)
})
