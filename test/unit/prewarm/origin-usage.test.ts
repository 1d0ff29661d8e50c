import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RateLimiter } from '../../../src/base/rate-limiter.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import type { JobRow } from '../../../src/prewarm/interface.ts'
import { createJob, patchJob } from '../../../src/prewarm/job.ts'
import { OriginUsage } from '../../../src/prewarm/origin-usage.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { capacityOf, newJob, planOf, specOf } from './fixtures.ts'

type Came = (digest: Digest, from: 'origin' | 'peer', bytes: number) => void

/** An account of one job, and the two ends that transfers have of it. */
function accountOf(row: () => JobRow) {
  let came: Came = () => {}
  let pace: ((digest: Digest) => RateLimiter | undefined) | undefined
  const transfers = {
    listen: (listener: Came) => {
      came = listener
      return { [Symbol.dispose]: () => {} }
    },
    paceOrigin: (asked: typeof pace) => {
      pace = asked
    },
  }
  const usage = new OriginUsage({
    clock: new ManualClock(),
    transfers,
    jobStore: { get: row },
    counts: true,
  })
  usage.open(row().id)
  usage.watch(row().id, planOf(2))
  usage.restore(row().id, 5)
  usage.start()
  return { usage, came: (...args: Parameters<Came>) => came(...args), pace: (digest: Digest) => pace?.(digest) }
}

describe('what a cache reads from origins for a job', () => {
  const first = createJob(
    newJob({ id: 'job-00001', root: 'a', spec: specOf(), plan: planOf(2), capacities: [capacityOf('a', 1)] }),
    1,
  )
  const { digest } = planOf(2).blobs[0]!

  it('is counted on from before, and what comes from elsewhere or of other blobs is not', () => {
    const { usage, came } = accountOf(() => first)
    came(digest, 'origin', 7)
    came(digest, 'peer', 100)
    came(planOf(9).blobs[8]!.digest, 'origin', 100)
    assert.equal(usage.bytes(first.id), 12)
  })

  it('is not what somebody reads of its blobs after it has ended', () => {
    let row = first
    const { usage, came } = accountOf(() => row)
    row = patchJob(row, { state: 'cancelled' }, 2)
    came(digest, 'origin', 7)
    assert.equal(usage.bytes(first.id), 5)
  })

  it('keeps to its rate while it runs, and holds nobody back while it rests', () => {
    let row = first
    const { usage, pace } = accountOf(() => row)
    usage.setRate(first.id, 1000)
    assert.equal(pace(digest)?.bytesPerSec, 1000)
    row = patchJob(row, { state: 'paused' }, 2)
    assert.equal(pace(digest), undefined)
  })
})
