import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { summaryOf } from '../../../src/prewarm/job.ts'
import { Progress } from '../../../src/prewarm/progress.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { planOf, reportOf } from './fixtures.ts'

const PLAN = summaryOf(planOf())
const NOTHING = { peer: 0, home: 0, parent: 0, origin: 0 }

/** Hosts of a job that report once a second what they have received. */
function jobOf(hosts: number) {
  const clock = new ManualClock()
  const progress = new Progress(PLAN, clock)
  for (let i = 0; i < hosts; i++) progress.add({ key: `host-${i}`, name: `web-${i}` })
  const report = (i: number, had: number, moved: number): void => {
    const state = had + moved >= PLAN.bytes ? 'ready' : 'moving'
    progress.report(`host-${i}`, reportOf({ state, haveBytes: had + moved, moved: { ...NOTHING, peer: moved } }))
  }
  const view = (i: number) => progress.views('eu', i, 1)[0]
  return { clock, progress, report, view }
}

describe('how fast hosts are', () => {
  it('a job takes as long as its slowest host, however fast the others are', () => {
    const { clock, progress, report } = jobOf(6)
    for (let second = 0; second <= 10; second++) {
      for (let i = 1; i < 6; i++) report(i, 0, Math.min(PLAN.bytes, (second * PLAN.bytes) / 5))
      report(0, 0, (second * PLAN.bytes) / 100)
      clock.advance(1_000)
    }
    assert.equal(Math.round(progress.tally(0).slowestSeconds ?? 0), 90)
  })

  it('bytes that were there before are no speed', () => {
    const { clock, report, view } = jobOf(1)
    report(0, PLAN.bytes / 2, 0)
    clock.advance(1_000)
    report(0, PLAN.bytes / 2, 1024)
    assert.equal(view(0)?.bytesPerSec, 1024)
  })

  it('while one at work receives nothing, nobody can tell how long it takes', () => {
    const { clock, progress, report } = jobOf(2)
    for (let second = 0; second < 3; second++) {
      report(0, 0, second * 1024)
      report(1, 0, 0)
      clock.advance(1_000)
    }
    assert.equal(progress.tally(0).slowestSeconds, null)
  })

  it('of one that has ended it is said when it began and ended, and how fast it was over all', () => {
    const { clock, report, view } = jobOf(1)
    clock.advance(5_000)
    report(0, 0, 0)
    clock.advance(4_000)
    report(0, 0, PLAN.bytes)
    clock.advance(60_000)
    const { startedEpochMs, endedEpochMs, bytesPerSec } = view(0)!
    assert.deepEqual([startedEpochMs, endedEpochMs, bytesPerSec], [5_000, 9_000, PLAN.bytes / 4])
  })

  it('of one that ended before this process nothing is made up', () => {
    const { progress, view } = jobOf(1)
    progress.restore('host-0', reportOf({ state: 'ready', haveBytes: PLAN.bytes }))
    assert.deepEqual([view(0)?.startedEpochMs, view(0)?.bytesPerSec], [null, 0])
  })

  it('ten thousand hosts are known, the last as well as the first', () => {
    const { clock, report, view } = jobOf(10_000)
    for (const moved of [0, 2048]) {
      for (const i of [0, 9_999]) report(i, 0, moved)
      clock.advance(1_000)
    }
    assert.deepEqual([view(0)?.bytesPerSec, view(9_999)?.bytesPerSec], [2048, 2048])
  })
})
