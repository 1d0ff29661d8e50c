import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/swarm/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024
const key = generateFleetKey()
const KEYED = { cache: formatFleetKey(key), agent: formatFleetKey(agentKeyOf(key)) }

for (const [name, keys] of Object.entries({ 'a fleet with keys': KEYED, 'a fleet without keys': undefined })) {
  test(`a home is gone after ${name} has pulled: its stand-in has the blob from the hosts, not the origin`, async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 1 })
    const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
    const ofCaches = { role: 'cache', upstreams, ...(keys === undefined ? {} : { key: keys.cache }) } as const
    const caches: TestNode[] = [await fleet.start(ofCaches)]
    caches.push(await fleet.start({ ...ofCaches, caches }))
    const ofAgents = { upstreams, caches, ...(keys === undefined ? {} : { key: keys.agent }) }
    const [late, ...agents] = await Promise.all([1, 2, 3].map(() => fleet.start(ofAgents)))
    for (const agent of agents) await agent.pullInTime(UP, 'team/app', 'v1', image)

    const layer = image.layers[0]!
    const read = await Promise.all(caches.map((cache) => cache.received('origin')))
    const [home, standIn] = read[0]! >= layer.size ? caches : [caches[1], caches[0]]
    const before = await standIn!.received('origin')
    await home!.node[Symbol.asyncDispose]()
    const hosts = [late!, standIn!]
    await eventually('the home is gone for all', async () => {
      const links = await Promise.all(hosts.map(async (host) => (await host.admin('peers')) as { peers: unknown[] }))
      return links[0]!.peers.length === 1 && links[1]!.peers.length === agents.length + 1
    })
    await late!.pullInTime(UP, 'team/app', 'v1', image)
    // the host may have it before its stand-in has: they take it from the same hosts
    await eventually('the stand-in has it from the hosts', async () => (await standIn!.received('peer')) >= layer.size)
    const again = (await standIn!.received('origin')) - before + (await late!.received('origin'))
    assert.ok(again < layer.size, `the origin gave ${again} bytes again`)
  })
}
