import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fleet } from '../../src/demo/index.ts'
import { askPrewarm, prewarmEnded } from '../support/ask-prewarm.ts'
import { contentBytes } from '../support/content-bytes.ts'
import { eventually } from '../support/eventually.ts'

const MIB = 1024 * 1024
/** So that a second pull of a tag need not ask the origin again. */
const LONG_TAGS = { tags: { ttl: '1h' } }

test('a job makes an image present on every host: a pull afterwards moves nothing and asks no origin', async () => {
  await using fleet = await Fleet.start({
    regions: [{ name: 'default', caches: 1, agents: 4 }],
    config: () => LONG_TAGS,
  })
  const { reference, image } = await fleet.push({ sizeBytes: 32 * MIB, layerCount: 3 })
  const [agent] = fleet.agents
  const job = await askPrewarm(agent!, '', { method: 'POST', body: { images: [reference] } })
  const end = await prewarmEnded(agent!, job.id)
  assert.equal(end.state, 'done', JSON.stringify(end))
  const size = contentBytes(image)
  assert.deepEqual(
    { total: end.hosts.total, ready: end.hosts.ready, have: end.bytes.have, perHost: end.bytes.perHost },
    { total: 4, ready: 4, have: 4 * size, perHost: size },
  )
  assert.equal(end.images[0]?.digest, image.manifest.digest)
  const { byKind } = await fleet.origin.counters()
  assert.ok(byKind.blob.bytes <= 1.05 * size, `${byKind.blob.bytes} of ${size} bytes left the origin`)
  assert.equal(end.bytes.origin, size)

  const before = { received: await fleet.received(), requests: await fleet.origin.counters() }
  for (const host of fleet.agents) assert.equal((await fleet.pull(host, reference)).digest, image.manifest.digest)
  assert.deepEqual({ received: await fleet.received(), requests: await fleet.origin.counters() }, before)
})

test('an agent that is killed and comes back goes on where it was, and the submitter may be gone', async () => {
  await using fleet = await Fleet.start({
    regions: [{ name: 'default', caches: 1, agents: 4 }],
    config: () => LONG_TAGS,
  })
  const size = 48 * MIB
  const { reference, image } = await fleet.push({ sizeBytes: size, layerCount: 2 })
  const [submitter, victim, watcher] = fleet.agents
  // every host alone would take twelve seconds
  const job = await askPrewarm(submitter!, '', { method: 'POST', body: { images: [reference], rate: '4MiB' } })
  await submitter!.kill('SIGKILL')
  await eventually('the victim is in the middle', async () => {
    const { home, peer } = await fleet.received([victim!])
    return home + peer > size / 4
  })
  await victim!.kill('SIGKILL')
  await submitter!.restart()
  await victim!.restart()
  const { blobs } = (await victim!.api('blobs')) as { blobs: { digest: string; storedBytes: number }[] }
  const layers = new Set<string>(image.layers.map(({ digest }) => digest))
  const kept = blobs.filter(({ digest }) => layers.has(digest)).reduce((sum, { storedBytes }) => sum + storedBytes, 0)
  assert.ok(kept > size / 8, `only ${kept} bytes outlived the kill`)
  const end = await prewarmEnded(watcher!, job.id)
  assert.deepEqual([end.state, end.hosts.ready, end.hosts.total], ['done', 4, 4], JSON.stringify(end))
  const again = await fleet.received([victim!])
  assert.ok(again.home + again.peer - (size - kept) < 4 * MIB, 'verified pieces were fetched again')
  const before = await fleet.received()
  for (const host of fleet.agents) assert.equal((await fleet.pull(host, reference)).digest, image.manifest.digest)
  assert.deepEqual(await fleet.received(), before)
})

test('a cache that dies in the middle is replaced by its stand-in: the job ends, and is known to both afterwards', async () => {
  await using fleet = await Fleet.start({
    regions: [{ name: 'default', caches: 2, agents: 3 }],
    config: () => LONG_TAGS,
  })
  const size = 32 * MIB
  const { reference } = await fleet.push({ sizeBytes: size, layerCount: 2 })
  const job = await askPrewarm(fleet.agents[0]!, '', {
    method: 'POST',
    body: { images: [reference], rate: '4MiB', waves: ['1', '100%'] },
  })
  const head = await eventually('a cache drives the job', async () => {
    for (const cache of fleet.caches) {
      const metrics = await cache.metrics()
      if (metrics.sum('shoal_prewarm_hosts', {}) > 0) return cache
    }
    return undefined
  })
  await eventually(
    'the first host has something',
    async () => (await askPrewarm(fleet.agents[1]!, `/${job.id}`)).bytes.have > 0,
  )
  await head!.kill('SIGKILL')
  const end = await prewarmEnded(fleet.agents[2]!, job.id)
  assert.deepEqual([end.state, end.hosts.ready, end.hosts.total], ['done', 3, 3], JSON.stringify(end))
  await head!.restart()
  const told = await eventually('the restarted cache knows', async () => {
    const seen = await askPrewarm(head!, `/${job.id}`).catch(() => undefined)
    return seen?.state === 'done' && seen.hosts.ready === 3 ? seen : undefined
  })
  assert.equal(told!.bytes.have, end.bytes.have)
})

test('a pull of what is being prewarmed does not wait for the job: it goes on at full speed', async () => {
  await using fleet = await Fleet.start({
    regions: [{ name: 'default', caches: 1, agents: 2 }],
    config: () => LONG_TAGS,
  })
  const { reference, image } = await fleet.push({ sizeBytes: 24 * MIB, layerCount: 1 })
  const [agent, other] = fleet.agents
  // alone, this would take two minutes
  const job = await askPrewarm(agent!, '', { method: 'POST', body: { images: [reference], rate: '200KiB' } })
  await eventually('the host is at work', async () => (await askPrewarm(agent!, `/${job.id}`)).hosts.moving === 2)
  const pulled = await fleet.pull(agent!, reference)
  assert.equal(pulled.digest, image.manifest.digest)
  const seen = await eventually('the job has noticed', async () => {
    const now = await askPrewarm(other!, `/${job.id}`)
    return now.hosts.ready === 1 ? now : undefined
  })
  assert.equal(seen?.state, 'running', 'the other host still keeps to the rate')
  await askPrewarm(other!, `/${job.id}`, { method: 'DELETE' })
  assert.equal((await prewarmEnded(agent!, job.id)).state, 'cancelled')
})

test('what is read from origins for a job keeps to its rate', async () => {
  await using fleet = await Fleet.start({
    regions: [{ name: 'default', caches: 1, agents: 1 }],
    config: () => LONG_TAGS,
  })
  const { reference } = await fleet.push({ sizeBytes: 16 * MIB, layerCount: 2 })
  const [agent] = fleet.agents
  const body = { images: [reference], originRate: '4MiB' }
  const { id } = await askPrewarm(agent!, '', { method: 'POST', body })
  const end = await prewarmEnded(agent!, id)
  assert.equal(end.state, 'done')
  assert.ok(end.seconds > 3, `16 MiB at 4 MiB/s in ${end.seconds} s`)
})

test('a fleet whose only cache is killed and comes back ends its job as if nothing had been', async () => {
  await using fleet = await Fleet.start({
    regions: [{ name: 'default', caches: 1, agents: 3 }],
    config: () => LONG_TAGS,
  })
  const size = 24 * MIB
  const { reference } = await fleet.push({ sizeBytes: size, layerCount: 2 })
  const [agent] = fleet.agents
  const [cache] = fleet.caches
  const body = { images: [reference], rate: '4MiB', maxHosts: 2 }
  const { id } = await askPrewarm(agent!, '', { method: 'POST', body })
  await eventually('hosts are at work', async () => (await askPrewarm(agent!, `/${id}`)).bytes.have > size / 2)
  await cache!.kill('SIGKILL')
  await cache!.restart()
  const end = await prewarmEnded(agent!, id)
  const { byKind } = await fleet.origin.counters()
  assert.ok(
    byKind.blob.bytes < 1.1 * size,
    `hosts went to the origin themselves: ${byKind.blob.bytes} bytes of ${size}`,
  )
  assert.deepEqual([end.state, end.hosts.ready, end.hosts.total], ['done', 3, 3], JSON.stringify(end))
})
