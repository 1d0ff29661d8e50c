import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { eventually } from '../support/eventually.ts'
import { FakeRegistry } from '../support/fake-registry.ts'
import { NodeFleet } from '../support/node-fleet.ts'

const UP = 'registry.corp'
/** For a second question to reach the registry, if it were put. */
const A_WHILE_MS = 500

test("a home's own client and the hosts of its region ask the registry for a tag once together", async (t) => {
  const fleet = await NodeFleet.create(t)
  const registry = await FakeRegistry.start(t, await fleet.image({ sizeBytes: 1024, layerCount: 1 }))
  const { cache, agents } = await fleet.region({ upstreams: [registry.upstream(UP)] }, 2)
  const gate = Promise.withResolvers<void>()
  registry.hook = async () => {
    await gate.promise
    return false
  }
  t.after(() => gate.resolve())
  const first = cache.manifest(UP, 'team/app', 'v1')
  await eventually('the registry is asked', () => registry.asked.length === 1)
  const others = agents.map((agent) => agent.manifest(UP, 'team/app', 'v1'))
  await wait(A_WHILE_MS)
  gate.resolve()
  const statuses = (await Promise.all([first, ...others])).map(({ status }) => status)
  assert.deepEqual(statuses, [200, 200, 200])
  assert.equal(registry.asked.filter(({ target }) => target === 'v1').length, 1)
})
