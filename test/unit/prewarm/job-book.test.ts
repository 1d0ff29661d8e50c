import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { JobBook } from '../../../src/prewarm/job-book.ts'
import { decodeLetter, encodeLetter } from '../../../src/prewarm/letters.ts'
import { DiskStore } from '../../../src/store/index.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { reportOf } from './fixtures.ts'

const ID = 'job-00001'

it("ended hosts outlive the cache's restart when they are off: what came as a letter is kept as it came", async (t) => {
  const path = await tempDir(t)
  const open = () =>
    DiskStore.open({ path, capacityBytes: 2 ** 20, minFreeBytes: 0 }, { logger: silentLogger, metrics: noMetrics })
  const report = reportOf({ state: 'ready', haveBytes: 5, blobs: Uint8Array.of(7) })
  const letter = decodeLetter(encodeLetter({ kind: 'report', job: ID, report }))
  assert.ok(letter?.kind === 'report')
  {
    await using store = await open()
    await new JobBook(store).saveEnded(ID, 'host-00001', letter.report)
  }
  await using store = await open()
  const { ended } = await new JobBook(store).hosts(ID)
  const known = ended.get('host-00001')
  assert.deepEqual([known?.state, known?.haveBytes, [...(known?.blobs ?? [])]], ['ready', 5, [7]])
})
