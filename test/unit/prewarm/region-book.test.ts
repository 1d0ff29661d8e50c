import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { RegionBook } from '../../../src/prewarm/region-book.ts'
import { DiskStore } from '../../../src/store/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

const DAY_MS = 86_400_000

test('regions are remembered over a restart, and forgotten a week after they were last there', async (t) => {
  const path = join(await tempDir(t), 'cache')
  let now = 1_000 * DAY_MS
  const open = async (): Promise<{ store: DiskStore; book: RegionBook }> => {
    const options = { path, capacityBytes: 2 ** 30, minFreeBytes: 0 }
    const store = await DiskStore.open(options, { logger: silentLogger, metrics: noMetrics })
    const book = new RegionBook({ store, logger: silentLogger, now: () => now })
    await book.load()
    return { store, book }
  }
  const first = await open()
  first.book.note('edge')
  now += 5 * DAY_MS
  first.book.note('north')
  assert.deepEqual(first.book.names(), ['edge', 'north'])
  await first.store[Symbol.asyncDispose]()

  const second = await open()
  assert.deepEqual(second.book.names(), ['edge', 'north'])
  now += 3 * DAY_MS
  assert.deepEqual(second.book.names(), ['north'], 'also without a restart')
  await second.store[Symbol.asyncDispose]()

  const third = await open()
  assert.deepEqual(third.book.names(), ['north'])
  await third.store[Symbol.asyncDispose]()
})
