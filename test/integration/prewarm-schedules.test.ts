import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { clockAt } from '../support/manual-clock.ts'
import type { HostSpec, TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'

const MIB = 1024 * 1024
const HOUR = 3_600_000
const UP = 'registry.test'
const IMAGE = `${UP}/team/app:1`

interface Schedule {
  readonly id: string
  readonly state: string
  readonly lastJob: string | null
  readonly missed: number
  readonly nextEpochMs: number | null
  readonly problem: string | null
}

async function shoal({ adminUrl, storeDir }: TestNode, ...args: string[]): Promise<string> {
  const own = ['--admin', adminUrl, '--token-file', join(storeDir, 'admin.token')]
  const { code, stdout, stderr } = await runCommand(['prewarm', ...args, ...own])
  assert.equal(code, 0, stderr)
  return stdout
}

async function schedulesOf(host: TestNode): Promise<Schedule[]> {
  return JSON.parse(await shoal(host, 'schedules', '--json')) as Schedule[] // the command's own JSON
}

/** The only one that there is, once it is as it is wanted. */
function scheduleOf(host: TestNode, what: string, isSo: (one: Schedule) => boolean): Promise<Schedule> {
  return eventually(what, async () => {
    const [one] = await schedulesOf(host)
    return one !== undefined && isSo(one) ? one : undefined
  }) as Promise<Schedule> // what eventually returns is truthy
}

test('a job that is to begin at a time begins then, on a cache that was restarted meanwhile', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: MIB, layerCount: 1 })
  const path = await fleet.push('origin', 'team/app', '1', image)
  let ahead = 0
  const clock = clockAt(() => Date.now() + ahead)
  const spec: HostSpec = { role: 'cache', upstreams: [directoryUpstream(UP, path)], clock }
  const before = await fleet.start(spec)
  const at = new Date(Date.now() + HOUR).toISOString().slice(0, 16)
  const kept = JSON.parse(await shoal(before, IMAGE, '--at', `${at}Z`, '--zone', 'Asia/Shanghai', '--json')) as Schedule
  assert.equal(kept.nextEpochMs, Date.parse(`${at}Z`))
  await before.node[Symbol.asyncDispose]()

  const cache = await fleet.start({ ...spec, store: { path: before.storeDir } })
  const agent = await fleet.start({ ...spec, role: 'agent', caches: [cache] })
  await eventually('the agent takes part', async () => {
    const plan = JSON.parse(await shoal(cache, IMAGE, '--dry-run', '--json')) as { hosts: { total: number } }
    return plan.hosts.total === 1
  })
  const listed = await shoal(agent, 'list')
  assert.match(listed, /there are no prewarm jobs\n\nSCHEDULE/)
  assert.match(listed, new RegExp(`${kept.id} +active +once, Asia/Shanghai +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d \\(in `))
  ahead = HOUR
  const { lastJob } = await scheduleOf(agent, 'it has run', ({ state }) => state === 'over')
  await eventually('its job is done', async () => {
    const job = JSON.parse(await shoal(agent, 'show', lastJob ?? '', '--json')) as { state: string }
    return job.state === 'done'
  })
  assert.match(await shoal(agent, 'show', kept.id), /State +over\n(.*\n)*Last job/)
})

test('a run that no cache was there for is missed when it is more than an hour late, and said', async (t) => {
  const fleet = await NodeFleet.create(t)
  let ahead = 0
  const clock = clockAt(() => Date.now() + ahead)
  const spec: HostSpec = { role: 'cache', upstreams: [directoryUpstream(UP, fleet.directory)], clock }
  const before = await fleet.start(spec)
  await shoal(before, IMAGE, '--at', new Date(Date.now() + HOUR).toISOString().replace(/\.\d+/, ''))
  await before.node[Symbol.asyncDispose]()
  ahead = 3 * HOUR
  const after = await fleet.start({ ...spec, store: { path: before.storeDir } })
  const one = await scheduleOf(after, 'it is missed', ({ state }) => state === 'over')
  assert.deepEqual([one.missed, one.lastJob], [1, null])
  assert.match(await shoal(after, 'show', one.id), /Missed +1, the last one of/)
})

test('a run whose job cannot begin says why, and is cancelled as any other', async (t) => {
  const fleet = await NodeFleet.create(t)
  let ahead = 0
  const clock = clockAt(() => Date.now() + ahead)
  const cache = await fleet.start({ role: 'cache', upstreams: [directoryUpstream(UP, fleet.directory)], clock })
  await shoal(cache, IMAGE, '--every', '0 0 1 1 *', '--zone', 'UTC')
  const { id, nextEpochMs } = await scheduleOf(cache, 'it is kept', ({ state }) => state === 'active')
  ahead = (nextEpochMs ?? 0) - Date.now()
  const { problem } = await scheduleOf(cache, 'it was tried', (one) => one.problem !== null)
  assert.match(problem ?? '', /team\/app/)
  assert.match(await shoal(cache, 'cancel', id), /State +cancelled\n/)
  const after = await runCommand(['prewarm', 'pause', id, '--admin', cache.adminUrl])
  assert.match(after.stderr, /is a schedule: it can be shown and cancelled/)
})

test('what no schedule can be is refused before an agent is asked', async () => {
  const refused = async (what: RegExp, ...args: string[]): Promise<void> => {
    const { code, stderr } = await runCommand(['prewarm', IMAGE, ...args, '--admin', 'http://127.0.0.1:9'])
    assert.equal(code, 2, stderr)
    assert.match(stderr, what)
  }
  await refused(/every "often" is no cron expression/, '--every', 'often')
  await refused(/zone "Mars" is no time zone/, '--at', '22:00', '--zone', 'Mars')
  await refused(/--at and --every: give one of them/, '--at', '22:00', '--every', '0 0 * * *')
  await refused(/--zone is of --at or --every/, '--zone', 'UTC')
  await refused(/is over/, '--at', '2020-01-01T00:00Z')
  await refused(/--wait: a schedule has nothing to wait for/, '--at', '22:00', '--wait')
})
