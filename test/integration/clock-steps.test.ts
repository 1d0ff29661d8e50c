import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import { systemClock } from '../../src/base/clock.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'

const UP = 'registry.test'
const SMALL = { sizeBytes: 8192, layerCount: 1 }
const HOUR_MS = 3_600_000

/** This host's clock, wrong by as much as the test says. */
class SettableClock implements Clock {
  aheadMs = 0
  now = systemClock.now
  after = systemClock.after
  wall = (): number => systemClock.wall() + this.aheadMs
}

test('a tag looked up while the clock was ahead is confirmed again once it is set right, by this process and the next', async (t) => {
  const fleet = await NodeFleet.create(t)
  const [old, moved] = [await fleet.image({ ...SMALL, seed: 1 }), await fleet.image({ ...SMALL, seed: 2 })]
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', old))]
  const clock = new SettableClock()
  const spec = { upstreams, tags: { ttlMs: 0 }, store: { path: `${fleet.directory}/store` }, clock }
  clock.aheadMs = 24 * HOUR_MS
  const host = await fleet.start(spec)
  assert.equal((await host.manifest(UP, 'team/app', 'v1')).digest, old.manifest.digest)
  await fleet.push('origin', 'team/app', 'v1', moved)
  clock.aheadMs = 0
  assert.equal((await host.manifest(UP, 'team/app', 'v1')).digest, moved.manifest.digest, 'the same process')
  clock.aheadMs = 24 * HOUR_MS
  assert.equal((await host.manifest(UP, 'team/app', 'v1')).digest, moved.manifest.digest)
  await host.node[Symbol.asyncDispose]()
  await fleet.push('origin', 'team/app', 'v1', old)
  clock.aheadMs = 0
  const next = await fleet.start({ ...spec, tags: { ttlMs: HOUR_MS } })
  assert.equal((await next.manifest(UP, 'team/app', 'v1')).digest, old.manifest.digest, 'the next process')
})

test('with the origin gone, a tag noted by a clock that was ahead is still served, marked', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image(SMALL)
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const clock = new SettableClock()
  const store = { path: `${fleet.directory}/store` }
  clock.aheadMs = HOUR_MS
  const host = await fleet.start({ upstreams, store, clock })
  assert.equal((await host.manifest(UP, 'team/app', 'v1')).digest, image.manifest.digest)
  await host.node[Symbol.asyncDispose]()
  clock.aheadMs = 0
  const gone = [
    { name: UP, access: 'public', origins: [{ kind: 'registry', url: 'http://127.0.0.1:1', credentials: null }] },
  ] as const
  const next = await fleet.start({ upstreams: gone, store, clock })
  const answer = await next.manifest(UP, 'team/app', 'v1')
  assert.deepEqual([answer.digest, answer.stale], [image.manifest.digest, true])
})
