import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { runProgram } from '../../src/cli/index.ts'
import type { PrewarmView } from '../../src/prewarm/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand, TextSink } from '../support/run-command.ts'

const MIB = 1024 * 1024
const REFERENCE = 'registry.test/team/app:1'

async function twoAgents(t: TestContext): Promise<{ agents: readonly TestNode[]; admin: string[]; url: string }> {
  const fleet = await NodeFleet.create(t)
  const path = await fleet.push('origin', 'team/app', '1', await fleet.image({ sizeBytes: MIB }))
  await fleet.push('origin', 'team/other', '1', await fleet.image({ seed: 2, sizeBytes: MIB }))
  const { agents } = await fleet.region({ upstreams: [directoryUpstream('registry.test', path)] }, 2)
  const url = `http://${agents[0]!.node.addresses.admin}`
  return { agents, admin: ['--admin', url], url }
}

async function cancel(id: string, admin: readonly string[]): Promise<void> {
  assert.equal((await runCommand(['prewarm', 'cancel', id, ...admin])).code, 0)
}

test('who stops watching a job is told its id, and that it goes on', async (t) => {
  const { admin } = await twoAgents(t)
  const [stdout, stderr, stop] = [new TextSink(), new TextSink(), new AbortController()]
  const io = { stdout, stderr, env: {}, signal: stop.signal, setExitCode() {} }
  const watching = runProgram(['prewarm', REFERENCE, '--rate', '1KiB', '--wait', ...admin], io)
  await eventually('the job is shown', () => /^running: /m.test(stderr.text))
  const id = /^job ([a-z0-9-]+)$/m.exec(stderr.text)?.[1] ?? ''
  stop.abort(new DOMException('interrupted', 'AbortError'))
  assert.equal(await watching, 1)
  assert.match(
    stderr.text,
    new RegExp(`^job ${id} goes on .*shoal prewarm show ${id}.*shoal prewarm cancel ${id}`, 'm'),
  )
  await cancel(id, admin)
})

test('a job is shown with the settings that it keeps to', async (t) => {
  const { admin } = await twoAgents(t)
  const options = [
    '--rate',
    '1KiB',
    '--fleet-rate',
    '4KiB',
    '--origin-rate',
    '2MiB',
    '--deadline',
    '30m',
    '--pin',
    '2h',
  ]
  const more = ['--join', '1h', '--quorum', '95%', '--waves', '1,50%', '--max-hosts', '2', '--failure-budget', '3']
  const begun = await runCommand(['prewarm', REFERENCE, ...options, ...more, '--json', ...admin])
  const { id, spec } = JSON.parse(begun.stdout) as PrewarmView // what --json promises
  assert.deepEqual([spec.rateBytesPerSec, spec.joinMs, spec.quorumPercent], [1024, 3_600_000, 95])
  const shown = await runCommand(['prewarm', 'show', id, ...admin])
  assert.match(
    shown.stdout,
    /^Settings +waves 1,50%,100%, max-hosts 2, rate 1 KiB\/s, fleet-rate 4 KiB\/s, origin-rate 2 MiB\/s, deadline 30m, pin 2h, join 1h, quorum 95%, failure-budget 3$/m,
  )
  const edited = await runCommand(['prewarm', 'edit', id, '--rate', '2KiB', ...admin])
  assert.match(edited.stdout, /^Settings .* rate 2 KiB\/s, /m)
  await cancel(id, admin)
})

test('a paused job has no rate and no time left', async (t) => {
  const { admin } = await twoAgents(t)
  const begun = await runCommand(['prewarm', REFERENCE, '--rate', '64KiB', '--json', ...admin])
  const { id } = JSON.parse(begun.stdout) as PrewarmView // what --json promises
  const show = async (): Promise<PrewarmView> =>
    JSON.parse((await runCommand(['prewarm', 'show', id, '--json', ...admin])).stdout) as PrewarmView
  await eventually('it has a rate', async () => (await show()).bytesPerSec > 0)
  await runCommand(['prewarm', 'pause', id, ...admin])
  const { state, bytesPerSec, etaSeconds } = await show()
  assert.deepEqual([state, bytesPerSec, etaSeconds], ['paused', 0, null])
  await cancel(id, admin)
})

test("an id that is taken is no answer to another job's request", async (t) => {
  const { agents, url, admin } = await twoAgents(t)
  const own = await agents[0]!.adminHeaders()
  const post = async (body: object): Promise<{ status: number; text: string }> => {
    const headers = { ...own, 'content-type': 'application/json' }
    const response = await fetch(`${url}/api/v1/prewarm`, { method: 'POST', headers, body: JSON.stringify(body) })
    return { status: response.status, text: await response.text() }
  }
  const id = 'chosen-by-hand-1'
  const first = { id, images: [REFERENCE], rate: '1KiB' }
  assert.equal((await post(first)).status, 201)
  assert.equal((await post(first)).status, 201, 'the same again is the same job')
  for (const other of [{ images: ['registry.test/team/other:1'] }, { hosts: '50%' }, { select: { disk: 'ssd' } }]) {
    const { status, text } = await post({ ...first, ...other })
    assert.deepEqual([status, /job chosen-by-hand-1 already/.test(text)], [409, true], text)
  }
  await cancel(id, admin)
})

test('a pin for no time at all is a wrong use of the command', async () => {
  const { code, stderr } = await runCommand(['pin', REFERENCE, '--for', '0s'])
  assert.deepEqual([code, /--for 0s: not a length of time from 1s to 365d/.test(stderr)], [2, true], stderr)
})

test('an image that is for one platform alone is not taken for another that is asked for', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: MIB, platform: { os: 'linux', architecture: 's390x' } })
  const path = await fleet.push('origin', 'team/app', '1', image)
  const { cache, agents } = await fleet.region({ upstreams: [directoryUpstream('registry.test', path)] }, 1)
  const plan = (...platforms: string[]) => {
    const options = platforms.flatMap((platform) => ['--platform', platform])
    const admin = `http://${agents[0]!.node.addresses.admin}`
    return runCommand(['prewarm', REFERENCE, '--dry-run', ...options, '--admin', admin])
  }
  assert.equal((await plan()).code, 0)
  assert.equal(await cache.received('origin'), 0)
  const other = await plan('linux/amd64', 'plan9/mips')
  assert.equal(other.code, 1)
  assert.match(other.stderr, /team\/app:1: is for linux\/s390x alone, not for linux\/amd64, plan9\/mips/)
  assert.equal(await cache.received('origin'), image.config.size, 'its config is read, and nothing else')
  for (const right of [['linux/s390x'], ['plan9/mips', 'linux/s390x'], ['all']]) {
    const { code, stderr } = await plan(...right)
    assert.equal(code, 0, stderr)
  }
})
