import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FleetHost } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import { askPrewarm, prewarmEnded, prewarmHosts } from '../support/ask-prewarm.ts'
import { contentBytes } from '../support/content-bytes.ts'
import { eventually } from '../support/eventually.ts'

const MIB = 1024 * 1024
const FULL = 'agent-edge-1'

/** The hosts that are to have everything in the end. */
function healthy(fleet: Fleet): FleetHost[] {
  return fleet.hosts.filter(({ role, name }) => role === 'agent' && name !== FULL)
}

test('twelve hosts in two regions: waves, a kill, a full disk, a late one, submitter and cache gone; the report is right', async () => {
  await using fleet = await Fleet.start({
    regions: [
      { name: 'core', caches: 2, agents: 6 },
      { name: 'edge', caches: 1, agents: 6, parents: ['core'] },
    ],
    config: ({ name }) => ({ tags: { ttl: '1h' }, ...(name === FULL ? { store: { capacity: '64MiB' } } : {}) }),
  })
  const { reference, image } = await fleet.push({ sizeBytes: 80 * MIB, layerCount: 4 })
  const size = contentBytes(image)
  const { agents: edge } = fleet.region('edge')
  const { agents: core } = fleet.region('core')
  const request = { images: [reference], waves: ['2', '50%', '100%'], rate: '16MiB', join: '10m', pin: '1h' }

  const plan = await askPrewarm<{ hosts: { total: number; withoutRoom: number; roomless: string[] } }>(core[0]!, '', {
    method: 'POST',
    body: { ...request, dryRun: true },
  })
  assert.deepEqual([plan.hosts.total, plan.hosts.withoutRoom, plan.hosts.roomless.length], [12, 1, 1])
  const { byKind: untouched } = await fleet.origin.counters()
  assert.equal(untouched.blob.bytes, 0, 'a plan moves nothing')

  const submitter = edge[0]!
  const { id } = await askPrewarm(submitter, '', { method: 'POST', body: request })
  await submitter.kill('SIGKILL')
  await submitter.restart()
  const moving = await eventually('a host that is not the submitter is at work', async () => {
    const hosts = await prewarmHosts(core[0]!, id)
    return hosts.find(({ state, haveBytes, name }) => {
      const isOther = !name.includes(submitter.peerAddress) && !name.includes(core[0]!.peerAddress)
      return isOther && state === 'moving' && haveBytes > 8 * MIB
    })
  })
  const victim = fleet.agents.find(({ peerAddress }) => moving!.name.includes(peerAddress))!
  await victim.kill('SIGKILL')
  const coordinator = await eventually('a cache of core drives the job', async () => {
    for (const cache of fleet.region('core').caches) {
      if ((await cache.metrics()).sum('shoal_prewarm_hosts', {}) > 0) return cache
    }
    return undefined
  })
  // what only the dead cache had would have to be read again
  for (const cache of fleet.region('core').caches) {
    await eventually('the tier has its second copy', async () => {
      const { blobs } = (await cache.api('blobs')) as { blobs: { digest: string; state: string }[] }
      const complete = new Set(blobs.filter(({ state }) => state === 'complete').map(({ digest }) => digest))
      return image.layers.every(({ digest }) => complete.has(digest))
    })
  }
  await coordinator!.kill('SIGKILL')
  await victim.restart()
  await fleet.addAgent('edge')

  const end = await prewarmEnded(core[0]!, id, 180_000)
  const job = await eventually(
    'the late host is ready, too',
    async () => {
      const seen = await askPrewarm(core[0]!, `/${id}`)
      return seen.hosts.ready === 12 ? seen : undefined
    },
    60_000,
  )
  assert.equal(end.state, 'done', JSON.stringify(end))
  const { total, ready, skipped, failed } = job!.hosts
  assert.deepEqual({ total, ready, skipped, failed }, { total: 13, ready: 12, skipped: 1, failed: 0 })
  assert.deepEqual([job!.bytes.have, job!.bytes.perHost], [12 * size, size])
  assert.deepEqual(
    job!.reasons.map(({ state, reason, count }) => [state, reason, count]),
    [['skipped', 'no room on its disk', 1]],
  )
  const { byKind } = await fleet.origin.counters()
  assert.ok(byKind.blob.bytes <= 1.05 * size, `${byKind.blob.bytes} of ${size} bytes left the origin`)

  const before = { received: await fleet.received(), blobs: (await fleet.origin.counters()).byKind.blob }
  for (const { agent } of healthy(fleet)) {
    assert.equal((await fleet.pull(agent, reference)).digest, image.manifest.digest)
  }
  assert.deepEqual({ received: await fleet.received(), blobs: (await fleet.origin.counters()).byKind.blob }, before)
})
