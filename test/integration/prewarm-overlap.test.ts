import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pinsSchema } from '../../src/admin/index.ts'
import type { PrewarmView } from '../../src/prewarm/index.ts'
import { askPrewarm, prewarmEnded } from '../support/ask-prewarm.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'

const MIB = 1024 * 1024
const HOUR_MS = 3_600_000

/** The ends of a job's pins on a host, in hours after the job's start. */
async function pinHours(host: TestNode, job: PrewarmView): Promise<number[]> {
  const { pins } = pinsSchema.parse(await host.admin('pins'))
  const own = pins.filter((pin) => pin.job === job.id)
  return own.map(({ untilEpochMs }) => (untilEpochMs - job.createdEpochMs) / HOUR_MS)
}

test('a job that can hardly move holds up no other one; what two hold up says so, and goes on when one is out of the way', async (t) => {
  const fleet = await NodeFleet.create(t)
  const [slow, quick] = [
    await fleet.image({ seed: 1, sizeBytes: 16 * MIB }),
    await fleet.image({ seed: 2, sizeBytes: MIB }),
  ]
  await fleet.push('origin', 'team/slow', '1', slow)
  await fleet.push('origin', 'team/again', '1', slow)
  const path = await fleet.push('origin', 'team/quick', '1', quick)
  const { agents } = await fleet.region({ upstreams: [directoryUpstream('registry.test', path)] }, 2)
  const [agent, other] = agents as [TestNode, TestNode]
  const begin = (body: object): Promise<PrewarmView> => askPrewarm(agent, '', { method: 'POST', body })
  const atWork = (id: string) => async () => (await askPrewarm(agent, `/${id}`)).hosts.moving === 2
  // alone, this would take hours
  const first = await begin({ images: ['registry.test/team/slow:1'], rate: '1KiB' })
  await eventually('hosts are at work', atWork(first.id))
  const beside = await begin({ images: ['registry.test/team/quick:1'] })
  assert.equal((await prewarmEnded(agent, beside.id)).state, 'done')
  const second = await begin({ images: ['registry.test/team/again:1'], rate: '1KiB' })
  await eventually('hosts are at work for both', atWork(second.id))
  const third = await begin({ images: ['registry.test/team/quick:1'] })
  const held = await eventually('the third job says what it waits for', async () => {
    const { reasons } = await askPrewarm(other, `/${third.id}`)
    return reasons[0]?.count === 2 ? reasons[0] : undefined
  })
  const reason = `waits for jobs ${first.id}, ${second.id}`
  assert.deepEqual([held?.state, held?.reason], ['waiting', reason])
  const { stdout } = await runCommand(['prewarm', 'show', third.id, '--admin', `http://${agent.node.addresses.admin}`])
  assert.match(stdout, new RegExp(`^Waiting +2, ${reason}: `, 'm'))
  await askPrewarm(other, `/${first.id}`, { method: 'PATCH', body: { state: 'paused' } })
  const end = await prewarmEnded(other, third.id)
  assert.deepEqual([end.state, end.hosts.ready, end.reasons], ['done', 2, []])
  for (const { id } of [first, second])
    assert.equal((await askPrewarm(agent, `/${id}`, { method: 'DELETE' })).state, 'cancelled')
})

test('edit sets how long a job pins, also shorter and not at all, on hosts that are ready and on those at work', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 16 * MIB })
  const path = await fleet.push('origin', 'team/app', '1', image)
  const upstreams = [directoryUpstream('registry.test', path)]
  const cache = await fleet.start({ role: 'cache', upstreams })
  const quick = await fleet.start({ caches: [cache], upstreams })
  const slow = await fleet.start({ caches: [cache], upstreams, limits: { prewarm: 1024 } })
  await quick.admin('pins', { reference: 'registry.test/team/app:1', for: '30m' })
  const job = await askPrewarm(quick, '', { method: 'POST', body: { images: ['registry.test/team/app:1'], pin: '2h' } })
  await eventually('one host is ready, the other at work', async () => {
    const { hosts } = await askPrewarm(quick, `/${job.id}`)
    return hosts.ready === 1 && hosts.moving === 1
  })
  const both = async (): Promise<number[][]> => [await pinHours(quick, job), await pinHours(slow, job)]
  assert.deepEqual(await both(), [[2], [2]])
  for (const [pin, expected] of [
    ['1h', [1]],
    ['3h', [3]],
    ['0', []],
  ] as const) {
    await askPrewarm(slow, `/${job.id}`, { method: 'PATCH', body: { pin } })
    await eventually(
      `pins as asked for: ${pin}`,
      async () => JSON.stringify(await both()) === JSON.stringify([expected, expected]),
    )
  }
  const { pins } = pinsSchema.parse(await quick.admin('pins'))
  assert.deepEqual(
    pins.map((pin) => pin.job),
    [null],
    "an operator's pin is nobody else's business",
  )
  await askPrewarm(quick, `/${job.id}`, { method: 'DELETE' })
})

test('a host that joins late does not take what a tag was for what it is', async (t) => {
  const fleet = await NodeFleet.create(t)
  const ttlMs = 3_000
  const [before, after] = [
    await fleet.image({ seed: 1, sizeBytes: MIB }),
    await fleet.image({ seed: 2, sizeBytes: MIB }),
  ]
  const path = await fleet.push('origin', 'team/app', '1', before)
  const spec = { upstreams: [directoryUpstream('registry.test', path)], tags: { ttlMs } }
  const cache = await fleet.start({ ...spec, role: 'cache' })
  const agent = await fleet.start({ ...spec, caches: [cache] })
  const job = await askPrewarm(agent, '', {
    method: 'POST',
    body: { images: ['registry.test/team/app:1'], join: '1h' },
  })
  await fleet.push('origin', 'team/app', '1', after)
  await eventually('the tag is no longer fresh', () => Date.now() > job.createdEpochMs + ttlMs)
  const late = await fleet.start({ ...spec, caches: [cache] })
  await eventually('the late host is ready', async () => (await askPrewarm(late, `/${job.id}`)).hosts.ready === 2)
  assert.equal((await late.manifest('registry.test', 'team/app', '1')).digest, after.manifest.digest)
})
