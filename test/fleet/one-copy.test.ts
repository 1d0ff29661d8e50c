import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AgentProcess } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'

const MIB = 1024 * 1024

/** Every agent pulls at the same moment; each pull proves every digest. */
async function pullOnAll(fleet: Fleet, agents: readonly AgentProcess[], reference: string): Promise<void> {
  await Promise.all(agents.map((agent) => fleet.pull(agent, reference)))
}

test('eight agents that pull at once cost the origin one copy, in as many requests as one agent', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 8 }] })
  const alone = await fleet.push({ sizeBytes: 64 * MIB, layerCount: 1, seed: 1 }, 'library/alone:1')
  await fleet.pull(fleet.agents[0]!, alone.reference)
  const forOne = await fleet.origin.counters()

  const { reference, image } = await fleet.push({ sizeBytes: 64 * MIB, layerCount: 1, seed: 2 }, 'library/burst:1')
  await pullOnAll(fleet, fleet.agents, reference)
  const forEight = await fleet.origin.counters()

  const imageBytes = [image.manifest, image.config, ...image.layers].reduce((sum, blob) => sum + blob.size, 0)
  assert.ok(forEight.bytes <= 1.05 * imageBytes, `origin sent ${forEight.bytes} bytes for an image of ${imageBytes}`)
  assert.equal(forEight.requests, forOne.requests, 'requests must not depend on the number of hosts')
  const { peer, home, origin } = await fleet.received(fleet.agents)
  assert.ok(peer > imageBytes, `the swarm did little: ${peer} bytes from peers, ${home} from the home`)
  assert.equal(origin, 0, 'agents must not read the origin themselves')
})

test('two regions below a parent tier take one copy each, and the origin gives one in all', async () => {
  const parents = ['core']
  await using fleet = await Fleet.start({
    regions: [
      { name: 'core', caches: 1, agents: 0 },
      { name: 'eu', caches: 2, agents: 3, parents },
      { name: 'us', caches: 1, agents: 3, parents },
    ],
  })
  const { reference, image } = await fleet.push({ sizeBytes: 64 * MIB, layerCount: 2 })
  await pullOnAll(fleet, fleet.agents, reference)

  const imageBytes = [image.manifest, image.config, ...image.layers].reduce((sum, blob) => sum + blob.size, 0)
  const origin = await fleet.origin.counters()
  assert.ok(origin.bytes <= 1.05 * imageBytes, `origin sent ${origin.bytes} bytes for an image of ${imageBytes}`)
  for (const name of ['eu', 'us']) {
    const region = fleet.region(name)
    const intoRegion = await fleet.received(region.caches)
    assert.ok(intoRegion.parent <= 1.05 * imageBytes, `${name}: ${JSON.stringify(intoRegion)}`)
    assert.equal(intoRegion.origin, 0, `${name} must ask its parent tier, not the origin`)
    const intoAgents = await fleet.received(region.agents)
    assert.deepEqual([intoAgents.parent, intoAgents.origin], [0, 0], 'agents ask their own region only')
  }
  const core = await fleet.received(fleet.region('core').caches)
  assert.ok(core.origin <= 1.05 * imageBytes)
})
