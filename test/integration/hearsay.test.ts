import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import type { FleetKey } from '../../src/swarm/index.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/swarm/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import type { TestHost } from './swarm-support.ts'
import { soon, TestFleet } from './swarm-support.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024

interface Attacked {
  readonly fleet: NodeFleet
  readonly cacheKey: string
  readonly agentKey: string
  /** A member of the fleet that does as the test says: it holds the agents' key, and nothing else. */
  member(): Promise<TestHost>
}

/** A fleet with keys, and members in it that mean harm. */
async function attacked(t: TestContext): Promise<Attacked> {
  const key: FleetKey = generateFleetKey()
  const fleetKey = agentKeyOf(key)
  const members = await TestFleet.create()
  t.after(() => members[Symbol.asyncDispose]())
  return {
    fleet: await NodeFleet.create(t),
    cacheKey: formatFleetKey(key),
    agentKey: formatFleetKey(fleetKey),
    member: () => members.host({ region: 'default', fleetKey }),
  }
}

async function linkedPeers(node: TestNode): Promise<string[]> {
  // parsed by nobody else: this is the door's own JSON
  const { peers } = (await node.admin('peers')) as { peers: { key: string }[] }
  return peers.map(({ key }) => key)
}

test('what three members say of a host and of its cache without evidence moves nobody', async (t) => {
  const { fleet, cacheKey, agentKey, member } = await attacked(t)
  const image = await fleet.image({ sizeBytes: 8192, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const cache = await fleet.start({ role: 'cache', upstreams, key: cacheKey })
  const agents = await Promise.all([0, 1].map(() => fleet.start({ upstreams, caches: [cache], key: agentKey })))
  const keyOf = async (node: TestNode): Promise<string> => ((await node.admin('status')) as { peerId: string }).peerId
  const hosts = [cache, ...agents]
  const keys = await Promise.all(hosts.map(keyOf))
  await eventually('the agents are linked', async () => (await linkedPeers(cache)).length === agents.length)
  const blob = `sha256:${createHash('sha256').digest('hex')}` as Digest
  for (let n = 0; n < 3; n++) {
    const liar = await member()
    for (const host of hosts) {
      const link = await liar.swarm.connectAddress(host.peerAddress, soon())
      for (const peer of keys) link.send({ type: 'accuse', blob, piece: 0, peer })
      // answered in order: with the answer, what was said before has been heard
      await link.call('members', { limit: 1 }, soon())
    }
  }
  for (const node of hosts) assert.equal((await node.metrics()).sum('shoal_peers', { state: 'banned' }), 0)
  for (const agent of agents) {
    assert.ok((await linkedPeers(agent)).includes(keys[0]!), 'an agent has lost its cache')
    await agent.pull(UP, 'team/app', 'v1', image)
    assert.equal(await agent.originRequests(), 0)
  }
})

test('thousands of false signatures end the link at the first, and the transfer they were about goes on', async (t) => {
  const { fleet, cacheKey, agentKey, member } = await attacked(t)
  const image = await fleet.image({ sizeBytes: 8 * MIB, layerCount: 1 })
  const layer = image.layers[0]!
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const cache = await fleet.start({ role: 'cache', upstreams, key: cacheKey, limits: { origin: 4 * MIB } })
  const agent = await fleet.start({ upstreams, caches: [cache], key: agentKey })
  const pulled = agent.pull(UP, 'team/app', 'v1', image)
  await eventually('the layer is on its way', async () => {
    const { transfers } = (await agent.admin('transfers')) as { transfers: { digest: string }[] }
    return transfers.some(({ digest }) => digest === layer.digest)
  })
  const liar = await member()
  const link = await liar.swarm.connectAddress(agent.peerAddress, soon())
  // well-formed, and by a key of nobody's
  const signature = new Uint8Array(sign(null, Buffer.from('x'), generateKeyPairSync('ed25519').privateKey))
  const hashes = (): Uint8Array => new Uint8Array(randomBytes(32))
  const runs = Array.from({ length: 4096 }, (_, i) => ({ first: i % 8, hashes: hashes(), signature }))
  link.send({ type: 'hashes', blob: layer.digest, size: layer.size, runs })
  await eventually('the link has ended', () => liar.events.unlinkedPeers.length === 1)
  assert.equal((await agent.metrics()).sum('shoal_requests_refused_total', { reason: 'protocol' }), 1)
  await pulled
})
