import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'

const MIB = 1024 * 1024
const UP = 'registry.corp'
const SLOW_BYTES_PER_SEC = 256 * 1024

const jobSchema = z.object({
  id: z.string(),
  state: z.string(),
  etaSeconds: z.number().nullable(),
  hosts: z.object({ ready: z.number() }),
  hostList: z.array(
    z.object({
      key: z.string(),
      state: z.string(),
      reason: z.string().nullish(),
      haveBytes: z.number(),
      totalBytes: z.number(),
      bytesPerSec: z.number(),
      startedEpochMs: z.number().nullable(),
      endedEpochMs: z.number().nullable(),
    }),
  ),
})

async function prewarm({ adminUrl, storeDir }: TestNode, ...args: string[]): Promise<string> {
  const where = ['--admin', adminUrl, '--token-file', join(storeDir, 'admin.token')]
  const { stdout, stderr, code } = await runCommand(['prewarm', ...args, ...where])
  assert.equal(code, 0, stderr)
  return stdout
}

test('one slow host of three is what a job is told to take, and the first in the list of hosts', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 12 * MIB, layerCount: 3 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'app', 'v1', image))]
  const { cache, agents } = await fleet.region({ upstreams }, 2)
  const slow = await fleet.start({ upstreams, caches: [cache], limits: { download: SLOW_BYTES_PER_SEC } })
  const all = [...agents, slow].length
  await eventually('the cache knows all hosts', async () => {
    const plan = JSON.parse(await prewarm(cache, `${UP}/app:v1`, '--dry-run', '--json'))
    return z.object({ hosts: z.object({ total: z.number() }) }).parse(plan).hosts.total === all
  })
  const { id } = z.object({ id: z.string() }).parse(JSON.parse(await prewarm(cache, `${UP}/app:v1`, '--json')))
  const show = async () => jobSchema.parse(JSON.parse(await prewarm(cache, 'show', id, '--hosts', '--json')))
  const took = (host: { startedEpochMs: number | null; endedEpochMs: number | null }): number =>
    (host.endedEpochMs ?? Date.now()) - (host.startedEpochMs ?? Date.now())
  const job = await eventually(
    'the fast ones are done, and the slow one is at it for longer and has a rate',
    async () => {
      const now = await show()
      const failed = now.hostList.filter(({ state }) => state === 'failed')
      assert.deepEqual(
        failed.map(({ reason }) => reason),
        [],
      )
      assert.notEqual(now.state, 'done', 'the slow host was no slower than the others')
      const moving = now.hostList.find(({ state }) => state === 'moving')
      if (moving === undefined || now.hosts.ready !== 2 || now.etaSeconds === null) return undefined
      const isSlowest = now.hostList.every((host) => host === moving || took(host) < took(moving))
      return isSlowest && moving.bytesPerSec > 0 ? now : undefined
    },
  )
  assert.ok(job !== undefined)
  const moving = job.hostList.find(({ state }) => state === 'moving')
  assert.ok(moving !== undefined)
  const atBest = (moving.totalBytes - moving.haveBytes) / SLOW_BYTES_PER_SEC
  assert.ok((job.etaSeconds ?? 0) > atBest / 2, `${job.etaSeconds} s left, of at least ${atBest} s`)
  const [head = '', first = ''] = (await prewarm(cache, 'show', id, '--hosts')).split('\n\n')[1]?.split('\n') ?? []
  assert.match(head, /^HOST +REGION +STATE +DONE +RATE +START +END +FROM/)
  assert.match(first, / moving +\d+% +\S+ [KM]iB\/s +\d\d:\d\d:\d\d +\d+\w+ left /)
  await slow.setLimits({ download: 0 })
  const done = await eventually('the job is done', async () => {
    const now = await show()
    return now.state === 'done' ? now : undefined
  })
  assert.ok(
    done?.hostList.every(({ startedEpochMs, endedEpochMs }) => startedEpochMs !== null && endedEpochMs !== null),
  )
  const slowest = done?.hostList.reduce((most, host) => (took(host) > took(most) ? host : most))
  assert.equal(slowest?.key, moving.key, 'who was slowest can be seen afterwards')
})
