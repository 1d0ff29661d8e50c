import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gateOf } from '../../../src/prewarm/gate.ts'
import type { PrewarmView } from '../../../src/prewarm/interface.ts'

const WEB = { text: 'registry.corp/web:v2', digest: undefined }

function job(change: {
  state?: string
  ready?: number
  skipped?: number
  created?: number
  reference?: string
}): PrewarmView {
  const { state = 'running', ready = 0, skipped = 0, created = 1, reference = WEB.text } = change
  return {
    id: `job-${created}`,
    state,
    createdEpochMs: created,
    images: [{ reference, digest: 'sha256:00', bytes: 1 }],
    hosts: { total: 20, waiting: 0, moving: 20 - ready - skipped, loading: 0, ready, failed: 0, skipped },
  } as unknown as PrewarmView
}

const ALL = { quorumPercent: 100, hosts: 0 }

describe('the gate of a rollout', () => {
  it('opens as soon as the quorum has the image, before the job has ended', () => {
    assert.equal(gateOf(WEB, [job({ ready: 18 })], { quorumPercent: 95, hosts: 0 }).open, false)
    assert.equal(gateOf(WEB, [job({ ready: 19 })], { quorumPercent: 95, hosts: 0 }).open, true)
    assert.equal(gateOf(WEB, [job({ ready: 18, skipped: 2 })], ALL).open, true, 'who is skipped does not count')
  })

  it('wants at least so many hosts, whatever the quorum makes', () => {
    assert.equal(gateOf(WEB, [job({ ready: 19 })], { quorumPercent: 10, hosts: 20 }).open, false)
    const nobody = gateOf(WEB, [job({ skipped: 20 })], ALL)
    assert.deepEqual([nobody.open, nobody.needed], [false, 1])
  })

  it('is closed for good when the job has ended below that, and not before', () => {
    const finals = ['running', 'paused', 'done', 'failed', 'cancelled'].map(
      (state) => gateOf(WEB, [job({ state, ready: 3 })], ALL).final,
    )
    assert.deepEqual(finals, [false, false, true, true, true])
    assert.equal(gateOf(WEB, [job({ state: 'failed', ready: 20 })], ALL).open, true)
  })

  it('goes by the newest job that has the image, and waits for one that is still to come', () => {
    const jobs = [
      job({ created: 2, ready: 20, state: 'done' }),
      job({ created: 3, ready: 1 }),
      job({ created: 4, ready: 20, reference: 'registry.corp/api:v2' }),
    ]
    assert.deepEqual([gateOf(WEB, jobs, ALL).job, gateOf(WEB, jobs, ALL).open], ['job-3', false])
    const none = gateOf({ text: 'registry.corp/web:v3', digest: undefined }, jobs, ALL)
    assert.deepEqual([none.open, none.final, none.job], [false, false, null])
  })

  it('of a digest is by digest, whatever name the job gave it', () => {
    assert.equal(gateOf({ text: 'x@sha256:00', digest: 'sha256:00' }, [job({ ready: 20 })], ALL).open, true)
  })
})
