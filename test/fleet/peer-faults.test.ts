import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AgentProcess } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import { eventually } from '../support/eventually.ts'

const MIB = 1024 * 1024
const SIZE = 48 * MIB

/** Bytes of content a node has taken in so far. */
async function progress(fleet: Fleet, host: AgentProcess): Promise<number> {
  const { peer, home, origin } = await fleet.received([host])
  return peer + home + origin
}

/** Starts pulls everywhere over a slow origin, and waits until every host is in the middle of the blob. */
async function midway(fleet: Fleet, reference: string, hosts: readonly AgentProcess[]): Promise<Promise<unknown>[]> {
  await fleet.origin.setFaults({ bytesPerSec: 4 * MIB })
  const pulls = hosts.map((agent) => fleet.pull(agent, reference))
  for (const pull of pulls) pull.catch(() => {})
  await eventually('every host is in the middle of the blob', async () => {
    const all = await Promise.all(hosts.map((host) => progress(fleet, host)))
    return all.every((bytes) => bytes > SIZE / 6)
  })
  return pulls
}

test('a peer that dies in the middle of its pieces costs the others nothing but time', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 4 }] })
  const { reference } = await fleet.push({ sizeBytes: SIZE, layerCount: 1 })
  const [victim, ...others] = fleet.agents as [AgentProcess, ...AgentProcess[]]
  const [lost, ...rest] = await midway(fleet, reference, fleet.agents)
  await victim.kill('SIGKILL')
  await fleet.origin.setFaults({})
  await Promise.all(rest)
  await assert.rejects(lost as Promise<unknown>)
  assert.ok((await fleet.origin.counters()).bytes <= 1.05 * SIZE)
  assert.equal((await fleet.received(others)).origin, 0)
})

test('a peer that stalls without closing its connection is passed over', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 4 }] })
  const { reference } = await fleet.push({ sizeBytes: SIZE, layerCount: 1 })
  const [victim] = fleet.agents as [AgentProcess, ...AgentProcess[]]
  const [, ...rest] = await midway(fleet, reference, fleet.agents)
  await victim.kill('SIGSTOP')
  try {
    await fleet.origin.setFaults({})
    await Promise.all(rest)
    assert.ok((await fleet.origin.counters()).bytes <= 1.05 * SIZE)
  } finally {
    await victim.kill('SIGCONT')
  }
})

test('a home that dies in the middle of a blob is replaced by its stand-in, and what peers have is not fetched again', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 2, agents: 4 }] })
  const { reference } = await fleet.push({ sizeBytes: SIZE, layerCount: 1 })
  const pulls = await midway(fleet, reference, fleet.agents)
  const loads = await Promise.all(fleet.caches.map((cache) => progress(fleet, cache)))
  const home = fleet.caches[loads[0]! > loads[1]! ? 0 : 1]!
  await home.kill('SIGKILL')
  await fleet.origin.setFaults({})
  await Promise.all(pulls)
  const { bytes } = await fleet.origin.counters()
  assert.ok(bytes < 1.6 * SIZE, `the stand-in fetched everything again: the origin sent ${bytes} of ${SIZE}`)
  assert.equal((await fleet.received(fleet.agents)).origin, 0, 'agents must not go to the origin while a cache lives')
})

test('when all caches die, hosts finish from each other and take turns at the origin', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 4 }] })
  const { reference, image } = await fleet.push({ sizeBytes: SIZE, layerCount: 1 })
  const pulls = await midway(fleet, reference, fleet.agents)
  await fleet.caches[0]!.kill('SIGKILL')
  await fleet.origin.setFaults({})
  await Promise.all(pulls)
  const { bytes } = await fleet.origin.counters()
  assert.ok(bytes < 2 * SIZE, `every host went to the origin by itself: it sent ${bytes} bytes for ${SIZE}`)

  // and a pull that begins without any cache works, too
  const second = await fleet.push({ sizeBytes: 8 * MIB, layerCount: 1, seed: 7 }, 'library/second:1')
  const results = await Promise.all(fleet.agents.map((agent) => fleet.pull(agent, second.reference)))
  assert.ok(results.every(({ digest }) => digest === second.image.manifest.digest))
  assert.notEqual(second.image.manifest.digest, image.manifest.digest)
})
