import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'

const UP = 'registry.corp'
const MIB = 1024 * 1024

interface Peer {
  readonly region: string
  readonly role: string
}

/** Whom a host is linked to, as `region/role`, each once. */
async function linkedTo(host: TestNode): Promise<string[]> {
  const { peers } = (await host.admin('peers')) as { peers: Peer[] } // the server's own JSON
  return [...new Set(peers.map(({ region, role }) => `${region}/${role}`))].sort()
}

test('homes of sister regions meet in the swarm of the home above them, and their agents never do', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 8 * MIB, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  // slow, until its regions have been seen to meet
  const core = await fleet.start({ role: 'cache', region: 'core', upstreams, limits: { upload: MIB / 2 } })
  const parent = { region: 'core', caches: [core] }
  const [east, west] = await Promise.all([
    fleet.region({ region: 'east', parent, upstreams }, 1),
    fleet.region({ region: 'west', parent, upstreams }, 1),
  ])
  const pulls = [east, west].map(({ agents }) => agents[0]!.pull(UP, 'team/app', 'v1', image))
  await eventually('the homes of both regions are linked', async () =>
    (await linkedTo(east.cache)).includes('west/cache'),
  )
  await core.setLimits({ upload: 0 })
  await Promise.all(pulls)
  assert.ok(!(await linkedTo(east.agents[0]!)).some((peer) => peer.startsWith('west/')))
  assert.ok(!(await linkedTo(west.agents[0]!)).some((peer) => peer.startsWith('east/')))
  assert.ok(!(await linkedTo(east.cache)).includes('west/agent'))
  assert.equal(await east.cache.received('origin'), 0, 'only the home above reads the origin')
  assert.equal(await west.cache.received('origin'), 0)
})
