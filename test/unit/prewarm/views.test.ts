import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Tally } from '../../../src/prewarm/interface.ts'
import { createJob } from '../../../src/prewarm/job.ts'
import { viewOf } from '../../../src/prewarm/views.ts'
import { capacityOf, newJob, planOf, specOf, tallyOf } from './fixtures.ts'

const plan = planOf()
const capacities = [capacityOf('a', 2), capacityOf('b', 3)]
const row = createJob(newJob({ id: 'job-00001', root: 'a', spec: specOf(), plan, capacities }), 1_000)

function view(tallies: Record<string, Tally>) {
  return viewOf(row, new Map(Object.entries(tallies)), 0, 2_000)
}

describe('a job as it is told', () => {
  it('has all its hosts from the start: regions that have not reported yet are as planned', () => {
    for (const tallies of [{}, { a: tallyOf(2) }, { a: tallyOf(2), b: tallyOf(3) }]) {
      const { hosts, bytes } = view(tallies)
      assert.deepEqual([hosts.total, hosts.waiting, bytes.total, bytes.have], [5, 5, 5 * plan.bytes, 0])
    }
  })

  it('has not lasted less than no time when the clock is set back', () => {
    assert.equal(viewOf(row, new Map(), 0, 500).seconds, 0)
    assert.equal(viewOf(row, new Map(), 0, 2_000).seconds, 1)
  })

  it('never has more than there is to have, and not less than before, when hosts are skipped', () => {
    const before = { ...tallyOf(3, { moving: 3 }), haveBytes: 3 }
    const after = { ...tallyOf(3, { moving: 2, skipped: 1 }), haveBytes: 3, skippedBytes: 1 }
    assert.deepEqual([view({ b: before }).bytes.have, view({ b: after }).bytes.have], [3, 3])
    const all = { ...tallyOf(3, { ready: 2, skipped: 1 }), haveBytes: 2 * plan.bytes + 1, skippedBytes: 1 }
    const { bytes } = view({ a: { ...tallyOf(2, { ready: 2 }), haveBytes: 2 * plan.bytes }, b: all })
    assert.equal(bytes.have, bytes.total)
  })
})
