import assert from 'node:assert/strict'
import { test } from 'node:test'
import { askPrewarm } from '../support/ask-prewarm.ts'
import { contentBytes } from '../support/content-bytes.ts'
import { eventually } from '../support/eventually.ts'
import { NodeFleet } from '../support/node-fleet.ts'
import { assertOneCopy } from '../support/one-copy.ts'
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
