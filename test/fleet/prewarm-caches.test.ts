import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type { AgentProcess } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import type { PrewarmView } from '../../src/prewarm/index.ts'
import { askPrewarm, prewarmEnded, prewarmHosts } from '../support/ask-prewarm.ts'
import { eventually } from '../support/eventually.ts'

const MIB = 1024 * 1024

/** What everybody must agree on. */
function facts({ state, hosts, bytes, regions }: PrewarmView) {
  return {
    state,
    hosts,
    bytes,
    regions: regions.map((one) => ({ ...one })).toSorted((a, b) => (a.region < b.region ? -1 : 1)),
  }
}

test('whichever host is asked, and after any cache was restarted, the report of a job is the same', async () => {
  await using fleet = await Fleet.start({
    regions: [
      { name: 'core', caches: 3, agents: 1 },
      { name: 'edge', caches: 1, agents: 1, parents: ['core'] },
    ],
  })
  const { reference } = await fleet.push({ sizeBytes: 8 * MIB, layerCount: 2 })
  const [first] = fleet.agents
  const { id } = await askPrewarm(first!, '', { method: 'POST', body: { images: [reference] } })
  const expected = facts(await prewarmEnded(first!, id))
  assert.deepEqual([expected.state, expected.hosts.ready, expected.regions.length], ['done', 2, 2])
  const everybody: AgentProcess[] = [...fleet.agents, ...fleet.caches]
  const agree = async (): Promise<void> => {
    for (const host of everybody) {
      await eventually('the report is whole: by itself, in the list, host by host', async () => {
        const { jobs } = await askPrewarm<{ jobs: PrewarmView[] }>(host, '').catch(() => ({ jobs: [] }))
        const hosts = await prewarmHosts(host, id).catch(() => [])
        const seen = [await askPrewarm(host, `/${id}`).catch(() => undefined), jobs[0]]
        return (
          seen.every((job) => job !== undefined && isDeepStrictEqual(facts(job), expected)) &&
          isDeepStrictEqual(
            hosts.map(({ state }) => state),
            ['ready', 'ready'],
          )
        )
      })
    }
  }
  await agree()
  for (const cache of fleet.caches) {
    await cache.kill('SIGKILL')
    await cache.restart()
    await agree()
  }
})

test('a schedule outlives the cache that took it, and is cancelled at another one', async () => {
  interface Schedule {
    readonly id: string
    readonly state: string
  }
  await using fleet = await Fleet.start({ regions: [{ name: 'core', caches: 2, agents: 1 }] })
  const [agent] = fleet.agents
  const [first, second] = fleet.caches
  const schedules = async (host: AgentProcess): Promise<Schedule[]> =>
    (await askPrewarm<{ schedules: Schedule[] }>(host, '/schedules')).schedules
  const body = { images: ['registry.test/app:1'], schedule: { every: '0 0 1 1 *', zone: 'UTC' } }
  const { id } = await askPrewarm<Schedule>(agent!, '/schedules', { method: 'POST', body })
  for (const [gone, left] of [
    [first!, second!],
    [second!, first!],
  ] as const) {
    await eventually('both caches have it', async () => {
      const seen = await Promise.all([gone, left].map((host) => schedules(host).catch(() => [])))
      return seen.every((some) => some.some((one) => one.id === id))
    })
    await gone.kill('SIGKILL')
    await eventually('the other one has it', async () => (await schedules(left).catch(() => [])).length === 1)
    await gone.restart()
  }
  await askPrewarm(second!, `/schedules/${id}`, { method: 'DELETE' })
  await eventually('all see that it has ended', async () => {
    const seen = await Promise.all([...fleet.caches, agent!].map((host) => schedules(host).catch(() => [])))
    return seen.every(([one]) => one?.state === 'cancelled')
  })
})
