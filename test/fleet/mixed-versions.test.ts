import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AgentProcess } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/swarm/index.ts'
import { askPrewarm, prewarmEnded } from '../support/ask-prewarm.ts'
import { unpackPreviousRelease } from '../support/previous-release.ts'
import { TempDir } from '../support/temp-dir.ts'

const MIB = 1024 * 1024
const REGION = 'default'

/** Every agent is linked to both caches, and asks them. */
async function whole(agents: readonly AgentProcess[]): Promise<void> {
  for (const agent of agents) {
    await agent.process.waitUntil('linked to both caches', async () => {
      // what status prints, of either release
      const { peers, tier } = (await agent.api('status')) as { peers: { caches: number }; tier: { state: string } }
      return peers.caches === 2 && tier.state === 'linked'
    })
  }
}

test('a fleet is upgraded host by host at one copy of every image, in whichever order', async () => {
  await using directory = await TempDir.make()
  const previous = await unpackPreviousRelease(join(directory.path, 'previous'))
  const key = generateFleetKey()
  await using fleet = await Fleet.start({
    regions: [{ name: REGION, caches: 2, agents: 4 }],
    keys: { cache: formatFleetKey(key), agent: formatFleetKey(agentKeyOf(key)) },
    // half of the agents are upgraded before anything else
    program: ({ role, name }) => (role === 'cache' || /[01]$/.test(name) ? previous : undefined),
  })
  const [first, second] = fleet.caches
  let seed = 0
  const burst = async (what: string): Promise<void> => {
    await whole(fleet.agents)
    const name = `library/app-${++seed}:1`
    const { reference, image } = await fleet.push({ sizeBytes: 12 * MIB, layerCount: 3, seed }, name)
    await Promise.all(fleet.agents.map((agent) => fleet.pull(agent, reference)))
    const imageBytes = [image.manifest, image.config, ...image.layers].reduce((sum, blob) => sum + blob.size, 0)
    const copies = (await fleet.origin.counters()).bytes / imageBytes
    assert.ok(copies > 0.99 && copies < 1.05, `${what}: ${copies.toFixed(2)} copies`)
    const { origin } = await fleet.received(fleet.agents)
    assert.equal(origin, 0, `${what}: an agent read the origin itself`)
  }
  await burst('old caches, agents of both releases')
  await first?.upgrade()
  await burst('caches of both releases, agents of both')
  await second?.upgrade()
  await burst('new caches, agents of both releases')
  const { peer } = await fleet.received(fleet.agents)
  assert.ok(peer > 0, 'hosts of two releases give each other nothing')

  const { reference } = await fleet.push({ sizeBytes: 4 * MIB, layerCount: 1, seed: 99 }, 'library/warm:1')
  const job = await askPrewarm(second!, '', { method: 'POST', body: { images: [reference] } })
  const end = await prewarmEnded(second!, job.id)
  assert.deepEqual(
    [end.state, end.hosts.ready],
    ['done', 4],
    `a job for hosts of both releases: ${JSON.stringify(end)}`,
  )
})
