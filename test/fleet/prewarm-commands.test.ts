import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AgentProcess } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import type { PrewarmView } from '../../src/prewarm/index.ts'
import { askPrewarm, prewarmEnded } from '../support/ask-prewarm.ts'
import { eventually } from '../support/eventually.ts'
import type { CommandResult } from '../support/run-command.ts'
import { runCommand } from '../support/run-command.ts'

const MIB = 1024 * 1024
const SIZE = 24 * MIB

function shoal(host: AgentProcess, ...args: string[]): Promise<CommandResult> {
  return runCommand(['prewarm', ...args, '--admin', host.adminUrl])
}

async function jobOf(host: AgentProcess, ...args: string[]): Promise<PrewarmView> {
  const { code, stdout, stderr } = await shoal(host, ...args, '--json')
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as PrewarmView // what --json promises
}

test('jobs that cannot be done are refused in clear words before anything moves', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 2 }] })
  const { reference, image } = await fleet.push({ sizeBytes: SIZE, layerCount: 1 })
  const [agent] = fleet.agents
  const cases: readonly [args: string[], code: number, message: RegExp][] = [
    [['docker.io/library/absent:1'], 1, /^shoal: docker\.io\/library\/absent has no tag 1$/],
    [['nowhere.test/app:1'], 1, /nowhere\.test\/app:1: no upstream is called nowhere\.test/],
    [[reference, '--select', 'disk=tape'], 1, /none of the 2 hosts matches/],
    [[reference, '--region', 'moon'], 1, /region moon .*known: default/],
    [[reference, '--platform', 'plan9/mips'], 1, /library\/app:1: is for linux\/[a-z0-9]+ alone, not for plan9\/mips/],
    [[reference, '--waves', '1,half'], 2, /--waves "half" is not/],
    [[reference, '--quorum', 'most'], 2, /--quorum "most" is not a percentage/],
    [[reference, '--fleet-rate', 'fast'], 2, /--fleet-rate "fast" is not a rate/],
    [[reference, '--pin', 'long'], 2, /--pin "long" is not a duration/],
    [[reference, '--platform', 'amd64'], 2, /--platform "amd64" is neither/],
    [[reference, '--load', 'rkt'], 2, /--load "rkt" is neither/],
    [[reference, '--hosts', '0'], 2, /--hosts "0" chooses no host/],
    [['Not//An Image'], 2, /image "Not\/\/An Image": .*no repository name/],
  ]
  for (const [args, code, message] of cases) {
    const result = await shoal(agent!, ...args, '--dry-run')
    assert.deepEqual([result.code, message.test(result.stderr.trim())], [code, true], `${args}: ${result.stderr}`)
  }
  const gone = await shoal(agent!, 'show', 'abcdefgh-1234')
  assert.deepEqual([gone.code, /no prewarm job/.test(gone.stderr)], [1, true], gone.stderr)
  const { byKind } = await fleet.origin.counters()
  assert.equal(byKind.blob.bytes, image.config.size, 'which says what platform the image is for')
})

test('a job is planned, watched to its end and listed by command; lines of JSON only go up', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 2 }] })
  const { reference, image } = await fleet.push({ sizeBytes: SIZE, layerCount: 2 })
  const [agent, other] = fleet.agents
  const plan = await shoal(agent!, reference, '--dry-run', '--rate', '1MiB', '--json')
  assert.deepEqual(
    [plan.code, JSON.parse(plan.stdout).hosts.total, JSON.parse(plan.stdout).leastSeconds > 20],
    [0, 2, true],
  )

  const result = await shoal(agent!, reference, '--rate', '3MiB', '--wait', '--json')
  assert.equal(result.code, 0, result.stderr)
  const lines = result.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as PrewarmView)
  const have = lines.map(({ bytes }) => bytes.have)
  assert.deepEqual(
    have,
    have.toSorted((a, b) => a - b),
  )
  // hosts report every two seconds: the beginning, something between and the end are seen on the slowest machine
  assert.ok(new Set(have).size > 2, `progress in steps: ${have}`)
  const last = lines.at(-1)!
  assert.deepEqual(
    [last.state, last.hosts.ready, last.images[0]?.digest, last.bytes.have],
    ['done', 2, image.manifest.digest, last.bytes.total],
  )
  assert.ok(last.seconds > 2, `24 MiB at 3 MiB/s in ${last.seconds} s`)
  const list = await shoal(other!, 'list')
  assert.match(list.stdout, new RegExp(`${last.id} +done +2/2 +100%`))
  const show = await shoal(other!, 'show', last.id, '--hosts')
  assert.equal(show.stdout.match(/ ready +100%/g)?.length, 2, show.stdout)

  // again: everything is there
  const again = await jobOf(agent!, reference)
  const end = await prewarmEnded(agent!, again.id)
  assert.deepEqual([end.state, end.bytes.moved, end.bytes.have], ['done', 0, last.bytes.have])
})

test('pause, edit, resume and cancel take effect within seconds', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 2 }] })
  const { reference } = await fleet.push({ sizeBytes: SIZE, layerCount: 1 })
  const [agent, other] = fleet.agents
  const moved = async (): Promise<number> => {
    const { home, peer } = await fleet.received(fleet.agents)
    return home + peer
  }
  const { id } = await jobOf(agent!, reference, '--rate', '1MiB')
  await eventually('it has begun', async () => (await moved()) > MIB)
  await jobOf(other!, 'pause', id)
  let seen = -1
  // a second of looks without a byte: what was under way is here
  let quiet = 0
  await eventually('nothing moves any more', async () => {
    const now = await moved()
    quiet = now === seen ? quiet + 1 : 0
    seen = now
    return quiet >= 50
  })
  assert.ok(seen < SIZE, 'it was not paused in time')
  assert.equal((await askPrewarm(agent!, `/${id}`)).state, 'paused')
  await jobOf(agent!, 'edit', id, '--rate', '0')
  assert.equal(await moved(), seen, 'an edit does not resume')
  await jobOf(other!, 'resume', id)
  const end = await prewarmEnded(agent!, id)
  assert.deepEqual([end.state, end.hosts.ready], ['done', 2])
  assert.deepEqual([(await shoal(agent!, 'pause', id)).code], [1], 'what has ended cannot be paused')
})

test('a cancelled job ends for its watcher with 1, and hosts stop', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 2 }] })
  const { reference } = await fleet.push({ sizeBytes: SIZE, layerCount: 1 })
  const [agent, other] = fleet.agents
  const watched = shoal(agent!, reference, '--rate', '512KiB', '--wait')
  const job = await eventually('it is listed', async () => {
    const { jobs } = await askPrewarm<{ jobs: PrewarmView[] }>(other!, '')
    return jobs.find(({ hosts }) => hosts.moving > 0)
  })
  const cancelled = await jobOf(other!, 'cancel', job!.id)
  assert.equal(cancelled.state, 'cancelled')
  assert.equal((await watched).code, 1)
  await eventually('no transfer runs', async () => {
    const { blobs } = (await agent!.api('blobs')) as { blobs: { state: string }[] }
    const rows = (await agent!.metrics()).sum('shoal_prewarm_bytes', { state: 'total' })
    return rows === 0 && blobs.length > 0
  })
})

test('at its deadline a job ends as it stands, and the quorum decides what that means', async () => {
  await using fleet = await Fleet.start({
    regions: [{ name: 'default', caches: 1, agents: 2 }],
    // one of them would take hours, however fast the machine is
    config: ({ name }) => (name.endsWith('-1') ? { limits: { prewarm: '1KiB' } } : {}),
  })
  const { reference } = await fleet.push({ sizeBytes: SIZE, layerCount: 1 })
  const [agent] = fleet.agents
  const late = await shoal(agent!, reference, '--rate', '1KiB', '--deadline', '2s', '--wait')
  assert.deepEqual([late.code, /deadline/.test(late.stdout)], [1, true], late.stdout)
  const half = await shoal(agent!, reference, '--deadline', '20s', '--quorum', '50%', '--wait', '--json')
  const end = JSON.parse(half.stdout.trim().split('\n').at(-1)!) as PrewarmView
  assert.deepEqual([half.code, end.state, end.hosts.ready], [0, 'done', 1], half.stdout)
})

test('a selector chooses hosts, and events tell of the job until it ends', async () => {
  await using fleet = await Fleet.start({
    regions: [{ name: 'default', caches: 1, agents: 3 }],
    labels: ({ name }) => ({ disk: name.endsWith('-0') ? 'ssd' : 'hdd' }),
  })
  const { reference } = await fleet.push({ sizeBytes: SIZE, layerCount: 1 })
  const [agent] = fleet.agents
  const { id } = await jobOf(agent!, reference, '--select', 'disk=hdd', '--rate', '8MiB')
  const events = await fetch(`${agent!.adminUrl}/api/v1/prewarm/${id}/events`, {
    headers: await agent!.adminHeaders(),
  })
  assert.equal(events.headers.get('content-type'), 'text/event-stream')
  const jobs = (await events.text())
    .split('\n\n')
    .filter((event) => event.startsWith('event: job\n'))
    .map((event) => JSON.parse(event.slice(event.indexOf('data: ') + 6)) as PrewarmView)
  assert.ok(jobs.length > 1)
  assert.deepEqual([jobs.at(-1)?.state, jobs.at(-1)?.hosts.total, jobs.at(-1)?.hosts.ready], ['done', 2, 2])
})
