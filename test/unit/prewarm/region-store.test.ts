import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { RegionStore } from '../../../src/prewarm/region-store.ts'
import { DiskStore } from '../../../src/store/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

const DAY_MS = 86_400_000

test('regions are remembered over a restart, and forgotten a week after they were last there', async (t) => {
  const path = join(await tempDir(t), 'cache')
  let now = 1_000 * DAY_MS
  const open = async (): Promise<{ store: DiskStore; jobStore: RegionStore }> => {
    const options = { path, capacityBytes: 2 ** 30, minFreeBytes: 0 }
    const store = await DiskStore.open(options, { logger: silentLogger, metrics: noMetrics })
    const jobStore = new RegionStore({ store, logger: silentLogger, clock: { wall: () => now } })
    await jobStore.load()
    return { store, jobStore }
  }
  const first = await open()
  first.jobStore.note('edge')
  now += 5 * DAY_MS
  first.jobStore.note('north')
  assert.deepEqual(first.jobStore.names(), ['edge', 'north'])
  await first.store[Symbol.asyncDispose]()

  const second = await open()
  assert.deepEqual(second.jobStore.names(), ['edge', 'north'])
  now += 3 * DAY_MS
  assert.deepEqual(second.jobStore.names(), ['north'], 'also without a restart')
  await second.store[Symbol.asyncDispose]()

  const third = await open()
  assert.deepEqual(third.jobStore.names(), ['north'])
  await third.store[Symbol.asyncDispose]()
})
