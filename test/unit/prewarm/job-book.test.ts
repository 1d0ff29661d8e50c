import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { it } from 'node:test'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import type { HostReport, JobRow } from '../../../src/prewarm/interface.ts'
import { createJob } from '../../../src/prewarm/job.ts'
import { JobBook, MAX_LIVE_JOBS } from '../../../src/prewarm/job-book.ts'
import { decodeLetter, encodeLetter } from '../../../src/prewarm/letters.ts'
import type { BlobStore } from '../../../src/store/index.ts'
import { DiskStore } from '../../../src/store/index.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { newJob, planOf, reportOf, specOf, surveyOf } from './fixtures.ts'

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
  const ended = new Map<string, HostReport>()
  await new JobBook(store).hosts(ID, { roster() {}, ended: (key, report) => ended.set(key, report) })
  const known = ended.get('host-00001')
  assert.deepEqual([known?.state, known?.haveBytes, [...(known?.blobs ?? [])]], ['ready', 5, [7]])
})

function openStore(path: string): Promise<BlobStore> {
  return DiskStore.open({ path, capacityBytes: 2 ** 20, minFreeBytes: 0 }, { logger: silentLogger, metrics: noMetrics })
}

async function storeOf(t: TestContext): Promise<BlobStore> {
  const store = await openStore(await tempDir(t))
  t.after(() => store[Symbol.asyncDispose]())
  return store
}

/** Running, or cancelled at a time. */
function jobRow(i: number, endedEpochMs: number | null = null): JobRow {
  const id = `job-${String(i).padStart(5, '0')}`
  const row = createJob(newJob({ id, root: 'a', spec: specOf(), plan: planOf(), surveys: [surveyOf('a', 1)] }), i)
  return endedEpochMs === null ? row : { ...row, state: 'cancelled', endedEpochMs }
}

it('of the jobs that have ended the oldest are forgotten when there are too many, at the next start as well', async (t) => {
  const store = await storeOf(t)
  const book = new JobBook(store)
  const now = Date.now()
  // the first ended last
  for (let i = 0; i < 300; i++) await book.put(jobRow(i, now - i)).written
  const old = book.expired(now).map(({ id }) => id)
  assert.deepEqual([old.length, old.includes(jobRow(299).id), old.includes(jobRow(0).id)], [44, true, false])
  const next = new JobBook(store)
  assert.equal(await next.load(), 44)
  assert.deepEqual(
    [next.all().length, next.get(jobRow(299).id), next.get(jobRow(0).id)?.id],
    [256, undefined, jobRow(0).id],
  )
  for (const id of old) assert.equal(next.get(id), undefined)
})

it('no more jobs are under way than may be, whoever tells of them', async (t) => {
  const book = new JobBook(await storeOf(t))
  for (let i = 0; i < MAX_LIVE_JOBS; i++) assert.equal(book.put(jobRow(i)).kept, true)
  assert.equal(book.put(jobRow(999)).kept, false)
  assert.equal(book.put({ ...jobRow(5, Date.now()), revision: 2 }).kept, true, 'those that are known may change')
  assert.equal(book.put(jobRow(999)).kept, true, 'one has ended')
})

it('rows are bounded in bytes, too: large ones push out the oldest that have ended', async (t) => {
  const book = new JobBook(await storeOf(t))
  const now = Date.now()
  const text = 'x'.repeat(120 * 1024)
  const orders = Array.from({ length: 30 }, () => ({ text, region: null, signature: new Uint8Array(64) }))
  for (let i = 0; i < 12; i++) await book.put({ ...jobRow(i, now + i), orders }).written
  const old = book.expired(now).map(({ id }) => id)
  assert.ok(old.length >= 2 && old.length < 12)
  assert.deepEqual(
    old,
    book
      .all()
      .slice(0, old.length)
      .map(({ id }) => id),
  )
})

it('many hosts of ended jobs push out the oldest of these', async (t) => {
  const book = new JobBook(await storeOf(t))
  const now = Date.now()
  for (let i = 0; i < 20; i++) await book.put(jobRow(i, now + i)).written
  assert.deepEqual(
    book.crowd(() => 20_000),
    [],
  )
  assert.deepEqual(
    book.crowd(() => 40_000).map(({ id }) => id),
    Array.from({ length: 10 }, (_, i) => jobRow(i).id),
  )
})

it('what other tables have of jobs that nobody knows is swept away, and so is what earlier versions kept', async (t) => {
  const store = await storeOf(t)
  const book = new JobBook(store)
  await book.put(jobRow(1)).written
  for (const id of [jobRow(1).id, jobRow(2).id]) {
    await book.saveRoster(id, 0, [])
    await book.saveEnded(id, 'host-00001', reportOf())
    await book.saveFetched(id, 7)
  }
  const raw = { encode: (bytes: Uint8Array) => bytes, decode: (bytes: Uint8Array) => bytes }
  await store.table('prewarm-jobs', raw).put('old-job-1', Buffer.from('anything'))
  await book.sweep()
  const left: string[] = []
  for (const name of ['prewarm-jobs', 'prewarm-rosters', 'prewarm-ended', 'prewarm-fetched']) {
    for await (const [key] of store.table(name, raw).entries('')) left.push(`${name} ${key}`)
  }
  assert.deepEqual(left, [
    'prewarm-rosters job-00001/000000000',
    'prewarm-ended job-00001/host-00001',
    'prewarm-fetched job-00001',
  ])
})
