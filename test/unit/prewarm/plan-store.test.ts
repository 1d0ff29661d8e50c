import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { PlanStore } from '../../../src/prewarm/plan-store.ts'
import { DiskStore } from '../../../src/store/index.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { planOf } from './fixtures.ts'

it('plans are in memory while something is done with them, so many as fit, and on the disk for as long as their jobs', async (t) => {
  const options = { path: await tempDir(t), capacityBytes: 2 ** 20, minFreeBytes: 0 }
  await using store = await DiskStore.open(options, { logger: silentLogger, metrics: noMetrics })
  const watched = new Set<string>()
  const origin = { watch: (id: string) => watched.add(id), unwatch: (id: string) => watched.delete(id) }
  const plans = new PlanStore(store, origin)
  const plan = planOf(16_000)
  const ids = Array.from({ length: 8 }, (_, i) => `job-0000${i}`)
  for (const id of ids) {
    assert.equal(plans.hasRoom(plan), true, id)
    plans.hold(id, plan)
    plans.hold(id, plan)
    await plans.save(id, plan)
  }
  assert.deepEqual([plans.hasRoom(plan), watched.size], [false, 8])
  plans.release(ids[0]!)
  plans.release(ids[0]!)
  assert.deepEqual([plans.hasRoom(plan), watched.has(ids[0]!), plans.held(ids[0]!)], [true, false, undefined])
  assert.deepEqual(await plans.read(ids[0]!), plan)
  await plans.forget(ids[1]!)
  assert.deepEqual([await plans.read(ids[1]!), watched.has(ids[1]!)], [undefined, false])
})
