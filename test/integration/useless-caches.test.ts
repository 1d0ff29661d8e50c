import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024

for (const count of [1, 2]) {
  test(`${count === 1 ? 'the only' : 'one of two'} caches answers everything and delivers next to nothing: pulls end`, async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 2 })
    const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
    const starved = { upload: 1024 }
    const caches: TestNode[] = []
    for (let i = 0; i < count; i++) {
      caches.push(await fleet.start({ role: 'cache', upstreams, caches: [...caches], limits: i === 0 ? starved : {} }))
    }
    const agent = await fleet.start({ upstreams, caches })
    await agent.pullInTime(UP, 'team/app', 'v1', image)
    const bytes = image.layers.reduce((sum, { size }) => sum + size, 0)
    const fromOrigin = await agent.received('origin')
    assert.ok(count > 1 || fromOrigin > bytes / 2, `${fromOrigin} bytes from the origin`)
    assert.ok(count === 1 || fromOrigin === 0, 'the other cache was there')
  })
}
