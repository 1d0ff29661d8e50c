import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HostState, JobRow } from '../../../src/prewarm/interface.ts'
import { createJob, patchJob } from '../../../src/prewarm/job.ts'
import { Leases } from '../../../src/prewarm/leases.ts'
import type { PrewarmMessage } from '../../../src/prewarm/messages.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { capacityOf, newJob, planOf, reportOf, specOf } from './fixtures.ts'

const ID = 'job-00001'
const HOST = 'host-00001'

/** A cache that knows one job, or none, and writes down what it says. */
class Cache {
  readonly clock = new ManualClock()
  readonly said: PrewarmMessage[] = []
  readonly leases: Leases
  row: JobRow | undefined

  constructor(request?: Record<string, unknown>) {
    if (request !== undefined) {
      this.row = createJob(
        newJob({ id: ID, root: 'a', spec: specOf(request), plan: planOf(), capacities: [capacityOf('a', 1)] }),
        1_000,
      )
    }
    this.leases = new Leases({
      clock: this.clock,
      jobStore: { get: (id) => (id === this.row?.id ? this.row : undefined) },
      messenger: { send: (_, message) => this.said.push(message) > 0 },
    })
  }

  stops(state: HostState): boolean {
    return this.leases.stops(HOST, ID, reportOf({ state }))
  }
}

describe('what a cache says of a job', () => {
  it('that runs, or is paused, or takes in hosts after its end: go on', () => {
    const cache = new Cache({ join: '1h' })
    const { row } = cache
    const ended = { ...row!, state: 'done', endedEpochMs: 1_500 } as const
    for (const known of [row!, patchJob(row!, { state: 'paused' }, 1_000), ended]) {
      cache.row = known
      assert.equal(cache.stops('moving'), false)
      cache.leases.answer(HOST, ID)
      assert.deepEqual(cache.said.pop(), { kind: 'standing', job: ID, runs: true })
    }
  })

  it('that has ended, however long ago: stop; and it leaves those alone that have done their part', () => {
    const cache = new Cache({})
    cache.row = patchJob(cache.row!, { state: 'cancelled' }, 1_000)
    cache.clock.advance(3_600_000)
    for (const state of ['ready', 'failed', 'skipped'] as const) assert.equal(cache.stops(state), false)
    assert.deepEqual(cache.said, [])
    for (const state of ['waiting', 'moving', 'loading'] as const) {
      assert.equal(cache.stops(state), true)
      assert.deepEqual(cache.said.pop(), { kind: 'standing', job: ID, runs: false })
    }
  })

  it('that it does not know: nothing until its row had time to come, then stop', () => {
    const cache = new Cache()
    assert.equal(cache.stops('moving'), false)
    cache.clock.advance(59_999)
    cache.leases.answer(HOST, ID)
    assert.deepEqual(cache.said, [])
    cache.clock.advance(1)
    assert.equal(cache.stops('moving'), true)
    assert.deepEqual(cache.said, [{ kind: 'standing', job: ID, runs: false }])
  })
})
