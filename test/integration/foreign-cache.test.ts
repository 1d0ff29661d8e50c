import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { MEDIA_TYPE } from '../../src/oci/manifest.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/swarm/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { assertOneCopy } from '../support/one-copy.ts'
import type { TestHost } from './swarm-support.ts'
import { soon, TestFleet } from './swarm-support.ts'

const UP = 'registry.test'

async function homesOf(node: TestNode): Promise<number> {
  // parsed by nobody else: this is the server's own JSON
  const { peers } = (await node.admin('status')) as { peers: { caches: number } }
  return peers.caches
}

/** A fleet with a cache and an agent, and somebody with the cache key who is at none of the configured addresses. */
async function visited(t: TestContext): Promise<{
  readonly cache: TestNode
  readonly agent: TestNode
  readonly foreign: readonly TestHost[]
  readonly good: string
  readonly asked: () => number
}> {
  const key = generateFleetKey()
  const strangers = await TestFleet.create()
  t.after(() => strangers[Symbol.asyncDispose]())
  const fleet = await NodeFleet.create(t)
  const [image, evil] = [await fleet.image({ seed: 1 }), await fleet.image({ seed: 2 })]
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const cache = await fleet.start({ role: 'cache', upstreams, key: formatFleetKey(key) })
  const agent = await fleet.start({ upstreams, caches: [cache], key: formatFleetKey(agentKeyOf(key)) })
  const bytes = new Uint8Array(await readFile(evil.manifest.path))
  let asked = 0
  const foreign: TestHost[] = []
  // with eight of them one would be home of the tag, whatever it ranks by
  for (let n = 0; n < 8; n++) {
    const host = await strangers.host({ fleetKey: key, role: 'cache', region: 'default' })
    host.events.answer = async (name) => {
      asked++
      if (name !== 'manifest') return { kind: 'refused', reason: 'unknown', message: 'no' }
      const { digest } = evil.manifest
      return { kind: 'manifest', digest, mediaType: MEDIA_TYPE.ociManifest, bytes, stale: false, ageMs: 0 }
    }
    for (const { peerAddress } of [agent, cache]) await host.swarm.connectAddress(peerAddress, soon())
    foreign.push(host)
  }
  await eventually('all are linked', async () => (await homesOf(agent)) === 9)
  return { cache, agent, foreign, good: image.manifest.digest, asked: () => asked }
}

test('who merely dials in with the cache key is home of nothing, neither for agents nor for caches', async (t) => {
  const { cache, agent, good, asked } = await visited(t)
  for (const node of [agent, cache]) assert.equal((await node.manifest(UP, 'team/app', 'v1')).digest, good)
  assert.equal(asked(), 0)
})

test('a cache that has linked from its side counts once this host has reached it itself', async (t) => {
  const key = generateFleetKey()
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({})
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const first = await fleet.start({ role: 'cache', upstreams, key: formatFleetKey(key) })
  const second = await fleet.start({ role: 'cache', upstreams, caches: [first], key: formatFleetKey(key) })
  const agents = await Promise.all(
    [0, 1].map(() => fleet.start({ upstreams, caches: [first, second], key: formatFleetKey(agentKeyOf(key)) })),
  )
  await eventually('the agents know both', async () => (await Promise.all(agents.map(homesOf))).every((n) => n === 2))
  for (const agent of agents) await agent.pull(UP, 'team/app', 'v1', image)
  const bytes = image.config.size + image.layers.reduce((sum, { size }) => sum + size, 0)
  assertOneCopy((await first.received('origin')) + (await second.received('origin')), bytes)
})
