import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import type { JobRow, Tally } from '../../../src/prewarm/interface.ts'
import { advanceJob, createJob, isNewer, isOpen, patchJob, verdict, withRegion } from '../../../src/prewarm/job.ts'
import { capacityOf, newJob, planOf, specOf, tallyOf } from './fixtures.ts'

const START = 1_000_000

function jobOf(request: Record<string, unknown>, regions: Record<string, number> = { a: 10 }): JobRow {
  const capacities = Object.entries(regions).map(([region, hosts]) => capacityOf(region, hosts))
  return createJob(newJob({ id: 'job-00001', root: 'a', spec: specOf(request), plan: planOf(), capacities }), START)
}

function opened(row: JobRow): Record<string, number | null> {
  return Object.fromEntries(Object.entries(row.shares).map(([region, { open }]) => [region, open]))
}

function step(row: JobRow, tallies: Record<string, Tally>, now = START + 1): JobRow | undefined {
  return advanceJob(row, new Map(Object.entries(tallies)), now)
}

describe('a job', () => {
  it('opens its first wave at once, over all regions', () => {
    assert.deepEqual(opened(jobOf({})), { a: null })
    assert.deepEqual(opened(jobOf({ waves: ['1'] }, { a: 6, b: 8 })), { a: 0, b: 1 })
    assert.deepEqual(opened(jobOf({ waves: ['50%'] }, { a: 6, b: 8 })), { a: 3, b: 4 })
  })

  it('takes so many hosts of each region as it should in all', () => {
    const row = jobOf({ hosts: '50%' }, { a: 6, b: 8 })
    assert.deepEqual([row.shares.a?.select, row.shares.b?.select], [3, 4])
    assert.equal(jobOf({}).shares.a?.select, null)
  })

  it('opens the next wave when all hosts of the waves so far have ended, and not before', () => {
    const row = jobOf({ waves: ['2', '50%'] })
    assert.equal(step(row, { a: tallyOf(10, { ready: 1, moving: 1 }) }), undefined)
    assert.equal(step(row, {}), undefined, 'a region that has not been heard of has not ended')
    const second = step(row, { a: tallyOf(10, { ready: 2 }) })!
    assert.deepEqual([second.wave, opened(second), second.revision > row.revision], [1, { a: 5 }, true])
    const third = step(second, { a: tallyOf(10, { ready: 4, skipped: 1 }) })!
    assert.deepEqual([third.wave, opened(third)], [2, { a: null }])
    assert.equal(third.taskRevision, row.taskRevision, 'hosts need not be told of waves')
  })

  it('ends when the last wave has', () => {
    const done = step(jobOf({}), { a: tallyOf(10, { ready: 10 }) })!
    assert.deepEqual([done.state, done.reason, done.endedEpochMs], ['done', null, START + 1])
    assert.equal(step(done, { a: tallyOf(10, { ready: 10 }) }), undefined)
  })

  it('stops when a wave fails more than the budget allows', () => {
    const waves = { waves: ['4', '100%'] }
    const cases: readonly [budget: string, failed: number, state: string][] = [
      ['0', 1, 'failed'],
      ['1', 1, 'running'],
      ['1', 2, 'failed'],
      ['25%', 1, 'running'],
      ['24%', 1, 'failed'],
    ]
    for (const [failureBudget, failed, state] of cases) {
      const row = jobOf({ ...waves, failureBudget })
      const next = step(row, { a: tallyOf(10, { ready: 4 - failed, failed }) })!
      assert.equal(next.state, state, `${failed} failed, budget ${failureBudget}`)
      if (state === 'failed') assert.match(next.reason ?? '', /failure budget/)
    }
  })

  it('has a failure budget of hosts that answered, not of names', () => {
    const row = jobOf({ waves: ['4', '100%'], failureBudget: '25%' })
    const tally = { ...tallyOf(10, { ready: 2, failed: 1, skipped: 1 }), setAside: 1 }
    assert.equal(step(row, { a: tally })?.state, 'failed')
  })

  it('reaches its quorum over the hosts that are not skipped', () => {
    const cases: readonly [quorum: string, hosts: Partial<Tally['hosts']>, state: string][] = [
      ['100%', { ready: 10 }, 'done'],
      ['100%', { ready: 9, failed: 1 }, 'failed'],
      ['90%', { ready: 9, failed: 1 }, 'done'],
      ['95%', { ready: 9, failed: 1 }, 'failed'],
      ['100%', { ready: 8, skipped: 2 }, 'done'],
      ['0%', { skipped: 10 }, 'failed'],
    ]
    for (const [quorum, hosts, state] of cases) {
      assert.equal(
        step(jobOf({ quorum }), { a: tallyOf(10, hosts) })?.state,
        state,
        `${quorum} ${JSON.stringify(hosts)}`,
      )
    }
    const none = verdict(jobOf({}), new Map([['a', tallyOf(0)]]))
    assert.deepEqual([none.ok, none.reason], [false, 'no host took part'])
  })

  it('ends at its deadline as it stands, also while it is paused, and hosts are told', () => {
    const row = jobOf({ deadline: '1m', quorum: '50%' })
    const tallies = { a: tallyOf(10, { ready: 5, moving: 5 }) }
    assert.equal(step(row, tallies, START + 59_999), undefined)
    const end = step(row, tallies, START + 60_000)!
    assert.deepEqual([end.state, end.taskRevision], ['done', end.revision])
    assert.match(end.reason ?? '', /deadline/)
    const joining = step(jobOf({ deadline: '1m', join: '1h', quorum: '50%' }), tallies, START + 60_000)!
    assert.equal(isOpen(joining, START + 60_001), false, 'hosts at work stop, although more could have joined')
    const paused = patchJob(row, { state: 'paused' }, START)
    assert.equal(step(paused, tallies, START + 59_999), undefined)
    assert.equal(step(paused, { a: tallyOf(10, { ready: 4 }) }, START + 60_000)?.state, 'failed')
  })

  it('is changed by users until it has ended', () => {
    const row = jobOf({ rate: '1MiB', waves: ['1', '2', '3'] })
    const paused = patchJob(row, { state: 'paused' }, START + 5)
    assert.deepEqual([paused.state, paused.revision, paused.taskRevision], ['paused', 2, 2])
    const faster = patchJob(
      paused,
      { state: 'running', rateBytesPerSec: 5, waves: row.spec.waves.slice(-1) },
      START + 6,
    )
    assert.deepEqual([faster.state, faster.spec.rateBytesPerSec, faster.wave], ['running', 5, 0])
    const cancelled = patchJob(faster, { state: 'cancelled' }, START + 7)
    assert.deepEqual([cancelled.state, cancelled.endedEpochMs], ['cancelled', START + 7])
    assert.equal(patchJob(cancelled, { state: 'cancelled' }, START + 8), cancelled, 'to cancel twice is no mistake')
    assert.throws(
      () => patchJob(cancelled, { state: 'running' }, START + 8),
      (error) => isShoalError(error, 'PREWARM_IMPOSSIBLE'),
    )
  })

  it('that is done and still takes in hosts can be kept from it, for good, and those at work hear of it', () => {
    const done = step(jobOf({ join: '1h' }), { a: tallyOf(10, { ready: 10 }) })!
    assert.deepEqual([done.state, isOpen(done, START + 9)], ['done', true])
    for (const patch of [{ state: 'cancelled' }, { joinMs: 0 }] as const) {
      const closed = patchJob(done, patch, START + 9)
      assert.deepEqual([closed.state, isOpen(closed, START + 9)], ['done', false])
      assert.deepEqual([closed.taskRevision, closed.revision], [done.revision + 1, done.revision + 1])
      assert.equal(closed.endedEpochMs, done.endedEpochMs, 'when it ended stays')
    }
    assert.equal(isOpen(patchJob(done, { joinMs: 7_200_000 }, START + 9), START + 7_000_000), true)
    for (const patch of [{ state: 'paused' }, { rateBytesPerSec: 5 }] as const) {
      assert.throws(
        () => patchJob(done, patch, START + 9),
        (error) => isShoalError(error, 'PREWARM_IMPOSSIBLE'),
      )
    }
  })

  it('takes in hosts that join: they count for the wave, and are served after the end', () => {
    const row = jobOf({ waves: ['50%'], join: '1h' })
    const grown = step(row, { a: tallyOf(20, { ready: 5 }) })!
    assert.deepEqual([grown.wave, opened(grown)], [0, { a: 10 }])
    const done = step(jobOf({ join: '1h' }), { a: tallyOf(10, { ready: 10 }) })!
    assert.deepEqual([isOpen(done, START + 3_599_999), isOpen(done, START + 3_600_000)], [true, false])
  })

  it('that nobody can begin yet waits for hosts to join, and fails when none came', () => {
    const row = jobOf({ join: '1h' }, { a: 0 })
    assert.equal(step(row, { a: tallyOf(0) }, START + 3_599_999), undefined)
    const late = step(row, { a: tallyOf(0) }, START + 3_600_000)!
    assert.deepEqual([late.state, late.reason], ['failed', 'no host took part'])
    assert.equal(step(row, { a: tallyOf(1, { ready: 1 }) }, START + 5)?.state, 'done')
  })

  it('shares its limits by the number of hosts, and no region is left without', () => {
    const row = jobOf({ maxHosts: 4, fleetRate: 100 }, { a: 9, b: 1 })
    assert.deepEqual([row.shares.a?.maxHosts, row.shares.b?.maxHosts, row.shares.a?.rateBytesPerSec], [3, 1, 90])
    const many = jobOf({ maxHosts: 5 }, { a: 100, b: 1, c: 1 })
    const shares = Object.values(many.shares).map(({ maxHosts }) => maxHosts)
    assert.deepEqual(shares, [3, 1, 1], 'together no more than was asked for')
  })

  it('is not given a deadline that is over already', () => {
    const row = jobOf({})
    const edit = (deadlineMs: number): JobRow => patchJob(row, { deadlineMs }, START + 900_000)
    assert.throws(
      () => edit(600_000),
      (error) =>
        isShoalError(error, 'PREWARM_IMPOSSIBLE') && /900 s ago, so 600 s after it is over/.test(error.message),
    )
    assert.equal(edit(900_001).spec.deadlineMs, 900_001)
    assert.equal(edit(0).spec.deadlineMs, 0)
  })

  it('says which regions it went without, and takes one in that comes back while hosts may join', () => {
    const capacities = [capacityOf('a', 1)]
    const made = { id: 'job-00001', root: 'a', plan: planOf(), capacities, absent: ['b'] }
    const end = step(createJob(newJob({ ...made, spec: specOf() }), START), { a: tallyOf(1, { ready: 1 }) })!
    assert.deepEqual([end.state, end.reason], ['done', 'no cache of region b answered, so it took no part'])
    const row = createJob(newJob({ ...made, spec: specOf({ join: '1h' }) }), START)
    assert.equal(withRegion(row, 'c', START + 1), undefined)
    assert.equal(withRegion(row, 'b', START + 3_600_000), undefined)
    const grown = withRegion(row, 'b', START + 1)!
    assert.deepEqual([Object.keys(grown.shares), grown.absent, grown.revision], [['a', 'b'], [], row.revision + 1])
    const served = step(grown, { a: tallyOf(1), b: tallyOf(4) })!
    assert.deepEqual(opened(served), { a: null, b: null })
  })

  it('is the same to all caches when two have changed it', () => {
    const row = jobOf({})
    const [one, two] = [patchJob(row, { state: 'paused' }, START + 1), patchJob(row, { maxHosts: 3 }, START + 2)]
    assert.deepEqual(
      [isNewer(two, one), isNewer(one, two), isNewer(one, row), isNewer(row, row)],
      [true, false, true, false],
    )
  })
})
