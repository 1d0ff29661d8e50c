import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { it } from 'node:test'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { decodeMessage, encodeMessage } from '../../../src/orders/codec.ts'
import type { JobRow } from '../../../src/prewarm/interface.ts'
import { createJob } from '../../../src/prewarm/job.ts'
import { JobStore, MAX_LIVE_JOBS } from '../../../src/prewarm/job-store.ts'
import type { PrewarmMessages } from '../../../src/prewarm/messages.ts'
import { PREWARM_MESSAGES } from '../../../src/prewarm/messages.ts'
import { dropUnordered } from '../../../src/prewarm/unordered-jobs.ts'
import type { BlobStore } from '../../../src/store/index.ts'
import { DiskStore } from '../../../src/store/index.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { capacityOf, newJob, planOf, reportOf, specOf } from './fixtures.ts'

const ID = 'job-00001'

it("ended hosts outlive the cache's restart when they are off: what came as a message is kept as it came", async (t) => {
  const path = await tempDir(t)
  const open = () =>
    DiskStore.open({ path, capacityBytes: 2 ** 20, minFreeBytes: 0 }, { logger: silentLogger, metrics: noMetrics })
  const report = reportOf({ state: 'ready', haveBytes: 5, blobs: Uint8Array.of(7) })
  const message = decodeMessage(PREWARM_MESSAGES, encodeMessage<PrewarmMessages>({ kind: 'report', job: ID, report }))
  assert.ok(message?.kind === 'report')
  {
    await using store = await open()
    await new JobStore(store).saveEnded(ID, 'host-00001', message.report)
  }
  await using store = await open()
  const { ended } = await new JobStore(store).knownHosts(ID)
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
  const row = createJob(newJob({ id, root: 'a', spec: specOf(), plan: planOf(), capacities: [capacityOf('a', 1)] }), i)
  return endedEpochMs === null ? row : { ...row, state: 'cancelled', endedEpochMs }
}

it('of the jobs that have ended the oldest are forgotten when there are too many, at the next start as well', async (t) => {
  const store = await storeOf(t)
  const jobStore = new JobStore(store)
  const now = Date.now()
  // the first ended last
  for (let i = 0; i < 300; i++) await jobStore.put(jobRow(i, now - i)).written
  const old = jobStore.expired(now).map(({ id }) => id)
  assert.deepEqual([old.length, old.includes(jobRow(299).id), old.includes(jobRow(0).id)], [44, true, false])
  const next = new JobStore(store)
  assert.equal(await next.load(), 44)
  assert.deepEqual(
    [next.all().length, next.get(jobRow(299).id), next.get(jobRow(0).id)?.id],
    [256, undefined, jobRow(0).id],
  )
  for (const id of old) assert.equal(next.get(id), undefined)
})

it('no more jobs are under way than may be, whoever tells of them', async (t) => {
  const jobStore = new JobStore(await storeOf(t))
  for (let i = 0; i < MAX_LIVE_JOBS; i++) assert.equal(jobStore.put(jobRow(i)).kept, true)
  assert.equal(jobStore.put(jobRow(999)).kept, false)
  assert.equal(jobStore.put({ ...jobRow(5, Date.now()), revision: 2 }).kept, true, 'those that are known may change')
  assert.equal(jobStore.put(jobRow(999)).kept, true, 'one has ended')
})

it('rows are bounded in bytes, too: large ones push out the oldest that have ended', async (t) => {
  const jobStore = new JobStore(await storeOf(t))
  const now = Date.now()
  const text = 'x'.repeat(120 * 1024)
  const orders = Array.from({ length: 30 }, () => ({ text, region: null, signature: new Uint8Array(64) }))
  for (let i = 0; i < 12; i++) await jobStore.put({ ...jobRow(i, now + i), orders }).written
  const old = jobStore.expired(now).map(({ id }) => id)
  assert.ok(old.length >= 2 && old.length < 12)
  assert.deepEqual(
    old,
    jobStore
      .all()
      .slice(0, old.length)
      .map(({ id }) => id),
  )
})

it('jobs under way are not taken in when they are too large together, and rows that have ended make way', async (t) => {
  const jobStore = new JobStore(await storeOf(t))
  const text = 'x'.repeat(120 * 1024)
  const orders = Array.from({ length: 30 }, () => ({ text, region: null, signature: new Uint8Array(64) }))
  const large = (i: number): JobRow => ({ ...jobRow(i), orders })
  const taken = Array.from({ length: 12 }, (_, i) => jobStore.put(large(i)).kept).filter((kept) => kept).length
  assert.ok(taken > 0 && taken < 12, `${taken} of 3.6 MB in 32 MiB`)
  assert.equal(jobStore.wants(large(99)), false)
  assert.equal(jobStore.wants(jobRow(99)), true, 'a small one still fits')
})

it('many hosts of ended jobs push out the oldest of these', async (t) => {
  const jobStore = new JobStore(await storeOf(t))
  const now = Date.now()
  for (let i = 0; i < 20; i++) await jobStore.put(jobRow(i, now + i)).written
  assert.deepEqual(
    jobStore.crowd(() => 20_000),
    [],
  )
  assert.deepEqual(
    jobStore.crowd(() => 40_000).map(({ id }) => id),
    Array.from({ length: 10 }, (_, i) => jobRow(i).id),
  )
})

it('what other tables have of jobs that nobody knows is swept away', async (t) => {
  const store = await storeOf(t)
  const jobStore = new JobStore(store)
  await jobStore.put(jobRow(1)).written
  for (const id of [jobRow(1).id, jobRow(2).id]) {
    await jobStore.saveRoster(id, 0, [])
    await jobStore.saveEnded(id, 'host-00001', reportOf())
    await jobStore.saveFetched(id, 7)
  }
  const raw = { encode: (bytes: Uint8Array) => bytes, decode: (bytes: Uint8Array) => bytes }
  await jobStore.sweep()
  const left: string[] = []
  for (const name of ['prewarm-rosters', 'prewarm-ended', 'prewarm-fetched']) {
    for await (const [key] of store.table(name, raw).entries('')) left.push(`${name} ${key}`)
  }
  assert.deepEqual(left, [
    'prewarm-rosters job-00001/000000000',
    'prewarm-ended job-00001/host-00001',
    'prewarm-fetched job-00001',
  ])
})

it('jobs of before orders are dropped with one line that says how many, and none the next time', async (t) => {
  const store = await storeOf(t)
  const raw = { encode: (bytes: Uint8Array) => bytes, decode: (bytes: Uint8Array) => bytes }
  for (const id of ['old-job-1', 'old-job-2']) await store.table('prewarm-jobs', raw).put(id, Buffer.from('anything'))
  const lines: unknown[] = []
  const logger = { ...silentLogger, warn: (...line: unknown[]) => lines.push(line) }
  for (let i = 0; i < 2; i++) await dropUnordered({ store, logger })
  assert.deepEqual(lines, [
    [
      { jobs: 2, ids: ['old-job-1', 'old-job-2'] },
      'prewarm jobs of an earlier version were dropped: no order proves who wanted them; start again what is still wanted',
    ],
  ])
})
