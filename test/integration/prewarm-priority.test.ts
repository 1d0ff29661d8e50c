import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PrewarmView } from '../../src/prewarm/index.ts'
import { askPrewarm } from '../support/ask-prewarm.ts'
import { contentBytes } from '../support/content-bytes.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { NodeFleet } from '../support/node-fleet.ts'
import { assertOneCopy } from '../support/one-copy.ts'
import { runCommand } from '../support/run-command.ts'
import { twoImages } from '../support/two-images.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024
const NOW = { repository: 'team/now', sizeBytes: 4 * MIB, layerCount: 1 }

test('a cache whose uplink is full of a prewarm gives most of it to a pull at once, and the prewarm goes on after', async (t) => {
  const fleet = await NodeFleet.create(t)
  const large = { repository: 'team/later', sizeBytes: 24 * MIB, layerCount: 1 }
  const { images, upstreams } = await twoImages(fleet, UP, large, { ...NOW, sizeBytes: 12 * MIB })
  const [later, now] = images
  const cache = await fleet.start({ role: 'cache', upstreams, limits: { upload: 4 * MIB } })
  await cache.pull(UP, 'team/later', '1', later)
  await cache.pull(UP, 'team/now', '1', now)
  // too many for the cache's slots, and no use to each other: all they upload is a trickle
  const hosts = await Promise.all(
    Array.from({ length: 8 }, () => fleet.start({ upstreams, caches: [cache], limits: { upload: 1024 } })),
  )
  const puller = await fleet.start({ upstreams, caches: [cache] })
  const given = async (): Promise<number> => {
    const bytes = await Promise.all(hosts.map((host) => host.received('home')))
    return bytes.reduce((sum, one) => sum + one, 0)
  }
  const job = await askPrewarm(puller, '', { method: 'POST', body: { images: [`${UP}/team/later:1`] } })
  await eventually('the cache gives all it can', async () => (await given()) > 4 * MIB)
  const pulled = puller.pull(UP, 'team/now', '1', now)
  await eventually('the pull is served', async () => (await puller.received('home')) > MIB / 2)
  const [before, begun] = [await given(), await puller.received('home')]
  await pulled
  const [after, ended] = [await given(), await puller.received('home')]
  const [beside, own] = [after - before, ended - begun]
  assert.ok(beside < 3 * own, `${beside} bytes of the prewarm beside ${own} of the pull`)
  assert.equal((await askPrewarm(puller, `/${job.id}`)).state, 'running')
  await eventually('the prewarm has gone on', async () => (await given()) > after + 8 * MIB)
})

test('a job that is held to its origin rate keeps no pull from the origin, nor from what the job has begun', async (t) => {
  const fleet = await NodeFleet.create(t)
  const large = { repository: 'team/later', sizeBytes: 64 * MIB, layerCount: 4 }
  const { images, upstreams } = await twoImages(fleet, UP, large, NOW)
  const [later, now] = images
  const cache = await fleet.start({ role: 'cache', upstreams })
  const [host, puller] = [
    await fleet.start({ upstreams, caches: [cache] }),
    await fleet.start({ upstreams, caches: [cache] }),
  ]
  const body = { images: [`${UP}/team/later:1`], originRate: '64KiB' }
  const job = await askPrewarm(host, '', { method: 'POST', body })
  await eventually('the cache reads for the job', async () => (await cache.received('origin')) > 64 * 1024)
  await puller.pull(UP, 'team/now', '1', now)
  const { bytes, state } = await askPrewarm(host, `/${job.id}`)
  assert.equal(state, 'running')
  assert.ok(bytes.have < 16 * MIB, `${bytes.have} bytes of a job that may move 64 KiB a second`)
  await puller.pull(UP, 'team/later', '1', later)
  assertOneCopy(await cache.received('origin'), contentBytes(later) + contentBytes(now))
})

test('a job of a higher priority takes the place of one that is under way, also when that is edited later', async (t) => {
  const fleet = await NodeFleet.create(t)
  const large = { repository: 'team/later', sizeBytes: 24 * MIB, layerCount: 1 }
  const { upstreams } = await twoImages(fleet, UP, large, NOW)
  const { agents } = await fleet.region({ upstreams }, 1)
  const [agent] = agents as [TestNode]
  const begin = (body: object): Promise<PrewarmView> => askPrewarm(agent, '', { method: 'POST', body })
  const look = (id: string): Promise<PrewarmView> => askPrewarm(agent, `/${id}`)
  const waitsFor = (id: string, others: readonly PrewarmView[]) => async () =>
    (await look(id)).reasons[0]?.reason === `waits for jobs ${others.map((job) => job.id).join(', ')}`
  const held = { images: [`${UP}/team/later:1`], rate: '1KiB' }
  const low = await begin({ ...held, priority: -3 })
  const usual = await begin(held)
  await eventually(
    'both are under way',
    async () => (await look(low.id)).hosts.moving + (await look(usual.id)).hosts.moving === 2,
  )
  const high = await begin({ ...held, priority: '9' })
  await eventually('the lowest gives way', waitsFor(low.id, [usual, high]))
  assert.equal((await look(high.id)).spec.priority, 9)
  const admin = ['--admin', `http://${agent.node.addresses.admin}`]
  const { code } = await runCommand(['prewarm', 'edit', low.id, '--priority', '10', ...admin])
  assert.equal(code, 0)
  await eventually('what was the lowest is at work again', async () => (await look(low.id)).hosts.moving === 1)
  await eventually('and another one gives way', waitsFor(usual.id, [low, high]))
  const { stdout } = await runCommand(['prewarm', 'list', ...admin])
  assert.match(stdout, new RegExp(`^${low.id} .* 10 +${UP}/team/later:1`, 'm'))
  assert.match((await runCommand(['prewarm', 'show', high.id, ...admin])).stdout, /^Settings .*priority 9/m)
  for (const { id } of [low, usual, high]) await askPrewarm(agent, `/${id}`, { method: 'DELETE' })
})

test("a host's rate for jobs goes to the one of the highest priority", async (t) => {
  const fleet = await NodeFleet.create(t)
  const one = { repository: 'team/later', sizeBytes: 32 * MIB, layerCount: 2 }
  const { upstreams } = await twoImages(fleet, UP, one, { ...one, repository: 'team/now' })
  const cache = await fleet.start({ role: 'cache', upstreams })
  const host = await fleet.start({ upstreams, caches: [cache], limits: { prewarm: MIB / 2 } })
  const begin = (body: object): Promise<PrewarmView> => askPrewarm(host, '', { method: 'POST', body })
  const have = async (id: string): Promise<number> => (await askPrewarm(host, `/${id}`)).bytes.have
  const low = await begin({ images: [`${UP}/team/later:1`] })
  await eventually('the first job moves', async () => (await have(low.id)) > 0)
  const high = await begin({ images: [`${UP}/team/now:1`], priority: 1 })
  await eventually('the second job moves', async () => (await have(high.id)) > 0)
  const [lowBefore, highBefore] = [await have(low.id), await have(high.id)]
  await eventually('the second job has moved more', async () => (await have(high.id)) > highBefore + 4 * MIB)
  const [beside, own] = [(await have(low.id)) - lowBefore, (await have(high.id)) - highBefore]
  assert.ok(beside * 3 < own, `${beside} bytes of the lower job beside ${own} of the higher`)
  assert.equal((await askPrewarm(host, `/${low.id}`)).hosts.moving, 1, 'it is at work all the same')
  for (const { id } of [low, high]) await askPrewarm(host, `/${id}`, { method: 'DELETE' })
})
