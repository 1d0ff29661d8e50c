import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeJson } from '../../src/base/json.ts'
import { silentLogger } from '../../src/base/log.ts'
import { noMetrics } from '../../src/base/metrics.ts'
import { createJob } from '../../src/prewarm/job.ts'
import { JobStore } from '../../src/prewarm/job-store.ts'
import type { BlobStore, TableCodec } from '../../src/store/index.ts'
import { DiskStore } from '../../src/store/index.ts'
import { AgentProcess } from '../support/agent-process.ts'
import { eventually } from '../support/eventually.ts'
import { runCommand } from '../support/run-command.ts'
import { tempDir } from '../support/temp-dir.ts'
import { capacityOf, newJob, planOf, specOf } from '../unit/prewarm/fixtures.ts'

const RAW: TableCodec<Uint8Array> = { encode: (bytes) => bytes, decode: (bytes) => bytes }
/** Rows as a member once made them of some hundred bytes each: a third of these was too much for such a heap. */
const LARGE_JOBS = 40
const LARGE_BLOBS = 15_000
const HEAP_MB = 128

async function withStore(path: string, work: (store: BlobStore) => Promise<void>): Promise<void> {
  const options = { path, capacityBytes: 2 ** 30, minFreeBytes: 0 }
  await using store = await DiskStore.open(options, { logger: silentLogger, metrics: noMetrics })
  await work(store)
}

const idOf = (i: number): string => `job-${String(i).padStart(8, '0')}`
const endedJob = (i: number) => ({
  ...createJob(
    newJob({ id: idOf(i), root: 'default', spec: specOf(), plan: planOf(), capacities: [capacityOf('default', 1)] }),
    i,
  ),
  ...({ state: 'cancelled', endedEpochMs: Date.now() - 10_000 + i } as const),
})

/** Rows of every kind that a table may hold after years, crashes, other versions and members that mean harm. */
async function stuff(store: BlobStore): Promise<void> {
  const plan = encodeJson(planOf(LARGE_BLOBS))
  const task = {
    job: 'task-00001',
    revision: 1,
    state: 'running',
    plan: planOf(LARGE_BLOBS),
    rateBytesPerSec: 0,
    pinUntilEpochMs: null,
    load: null,
  }
  const progress = { state: 'waiting', reason: null, moved: { peer: 0, home: 0, parent: 0, origin: 0 } }
  const old = encodeJson({ ...endedJob(1), plan: planOf(LARGE_BLOBS) })
  const jobStore = new JobStore(store)
  for (let i = 0; i < LARGE_JOBS; i++) {
    await store.table('prewarm-jobs', RAW).put(idOf(i), old)
    await store.table('prewarm-plans', RAW).put(idOf(i), plan)
    const job = `task-${String(i).padStart(5, '0')}`
    await store
      .table('prewarm-tasks', RAW)
      .put(job, encodeJson({ task: { ...task, job }, progress, changedEpochMs: i }))
  }
  for (let i = 0; i < 600; i++) await jobStore.put(endedJob(i)).written
  for (const name of [
    'prewarm-rows',
    'prewarm-tasks',
    'prewarm-rosters',
    'prewarm-ended',
    'prewarm-fetched',
    'prewarm-regions',
    'pins',
  ]) {
    await store.table(name, RAW).put('zz-garbage', Buffer.from('{"it is": no JSON'))
    await store.table(name, RAW).put('zz-other/1', encodeJson({ of: 'another version' }))
  }
}

for (const role of ['cache', 'agent'] as const) {
  test(`a ${role} with a small heap starts with any table, and keeps what is newest`, async (t) => {
    const directory = await tempDir(t)
    await withStore(join(directory, '.shoal'), stuff)
    const prefix = ['env', `NODE_OPTIONS=--max-old-space-size=${HEAP_MB}`]
    await using agent = new AgentProcess(directory, { prefix, set: [`role=${role}`] })
    const { admin } = await agent.ready
    const { stdout, stderr } = await runCommand(['prewarm', 'list', '--json', '--admin', `http://${admin}`])
    const jobs = (stderr === '' ? JSON.parse(stdout) : []) as { id: string }[] // the command's own JSON
    assert.deepEqual(
      [jobs.length, jobs.some(({ id }) => id === idOf(599)), jobs.some(({ id }) => id === idOf(0))],
      [256, true, false],
      stderr,
    )
    assert.equal(agent.entries('prewarm jobs were set aside').length, 1)
    const dropped = () => agent.entries('prewarm jobs of an earlier version were dropped')
    await eventually('jobs of before orders are named', () => dropped().length > 0)
    assert.deepEqual(
      dropped().map(({ jobs }) => jobs),
      [LARGE_JOBS],
    )
    if (role === 'agent') assert.equal(agent.entries('prewarm tasks were set aside').length, 1)
    agent.child.kill('SIGTERM')
    assert.deepEqual(await agent.ended, { code: 0, signal: null }, agent.log.join('\n'))
  })
}
