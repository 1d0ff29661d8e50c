import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Share } from '../../../src/prewarm/interface.ts'
import { summaryOf } from '../../../src/prewarm/job.ts'
import { Progress } from '../../../src/prewarm/progress.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { planOf, reportOf } from './fixtures.ts'

const MIB = 1024 * 1024
const ALL: Share = { select: null, open: null, maxHosts: 0, rateBytesPerSec: 0, originRateBytesPerSec: 0 }

function progressOf(hosts: number): Progress {
  const progress = new Progress(summaryOf(planOf()), new ManualClock())
  for (let i = 0; i < hosts; i++) progress.add({ key: `host-${i}`, name: `web-${i}` })
  return progress
}

const nobody = (): boolean => false

function dueIn(progress: Progress, share: Partial<Share>): string[] {
  return [...progress.due({ ...ALL, ...share }, nobody)].map(({ key }) => key)
}

describe('the progress of a job', () => {
  it('only ever counts up, whatever order reports come in and however often', () => {
    const progress = progressOf(2)
    const late = reportOf({
      haveBytes: 2 * MIB,
      moved: { peer: 5, home: 1, parent: 0, origin: 0 },
      blobs: Uint8Array.of(3),
    })
    const early = reportOf({
      haveBytes: MIB,
      moved: { peer: 2, home: 1, parent: 0, origin: 0 },
      blobs: Uint8Array.of(1),
    })
    for (const report of [late, early, late, early]) progress.report('host-0', report)
    const tally = progress.tally(7)
    assert.deepEqual(
      [tally.haveBytes, tally.moved, tally.originBytes, progress.views('r', 0, 9)[0]?.blobsDone],
      [2 * MIB, { peer: 5, home: 1, parent: 0, origin: 0 }, 7, 2],
    )
    progress.report('host-0', reportOf({ haveBytes: 99 * MIB }))
    assert.equal(progress.tally(0).haveBytes, 3 * MIB, 'no host has more than there is')
  })

  it('counts what a host holds also when it is skipped: bytes never go down', () => {
    const progress = progressOf(2)
    progress.report('host-0', reportOf({ state: 'waiting', haveBytes: MIB }))
    assert.deepEqual([progress.tally(0).haveBytes, progress.tally(0).skippedBytes], [MIB, 0])
    progress.report('host-0', reportOf({ state: 'skipped', reason: 'no room', haveBytes: MIB }))
    assert.deepEqual([progress.tally(0).haveBytes, progress.tally(0).skippedBytes], [MIB, MIB])
  })

  it('counts every host once, in the state it was last in', () => {
    const progress = progressOf(4)
    progress.report('host-0', reportOf({ state: 'moving' }))
    progress.report('host-0', reportOf({ state: 'ready' }))
    progress.report('host-1', reportOf({ state: 'failed', reason: 'no luck' }))
    progress.report('host-2', reportOf({ state: 'skipped', reason: 'no room' }))
    progress.report('nobody', reportOf({ state: 'ready' }))
    const { hosts, begun, selected, reasons } = progress.tally(0)
    assert.deepEqual(hosts, { waiting: 1, moving: 0, loading: 0, ready: 1, failed: 1, skipped: 1 })
    assert.deepEqual([selected, begun], [4, 3])
    assert.deepEqual(reasons, [
      { state: 'failed', reason: 'no luck', count: 1, hosts: ['web-1'] },
      { state: 'skipped', reason: 'no room', count: 1, hosts: ['web-2'] },
    ])
  })

  it('takes back its own judgement when the host speaks again', () => {
    const progress = progressOf(1)
    progress.fail('host-0', 'not reachable')
    assert.equal(progress.tally(0).reasons[0]?.reason, 'not reachable')
    progress.report('host-0', reportOf({ state: 'moving' }))
    assert.deepEqual([progress.tally(0).hosts.failed, progress.tally(0).reasons], [0, []])
  })

  it('says what hosts wait for, until they go on', () => {
    const progress = progressOf(2)
    progress.report('host-0', reportOf({ state: 'waiting', reason: 'waits for job job-00001' }))
    assert.deepEqual(progress.tally(0).reasons, [
      { state: 'waiting', reason: 'waits for job job-00001', count: 1, hosts: ['web-0'] },
    ])
    assert.equal(progress.views('r', 0, 1)[0]?.reason, 'waits for job job-00001')
    progress.report('host-0', reportOf({ state: 'moving' }))
    assert.deepEqual(progress.tally(0).reasons, [])
  })

  it('is told page by page', () => {
    const names = (first: number, most: number): string[] =>
      progressOf(5)
        .views('r', first, most)
        .map(({ name }) => name)
    assert.deepEqual([names(0, 2), names(4, 2), names(5, 2)], [['web-0', 'web-1'], ['web-4'], []])
  })

  it('groups hosts by why they failed, and names some', () => {
    const progress = progressOf(40)
    for (let i = 0; i < 40; i++) {
      progress.report(`host-${i}`, reportOf({ state: 'failed', reason: i < 9 ? 'its disk filled up' : `odd ${i}` }))
    }
    const { reasons } = progress.tally(0)
    assert.ok(reasons.length <= 33, `${reasons.length} groups`)
    assert.deepEqual([reasons[0]?.count, reasons[0]?.hosts.length], [9, 5])
    assert.equal(
      reasons.reduce((sum, { count }) => sum + count, 0),
      40,
    )
  })

  it('lets as many hosts begin as the wave and the limit allow, in their order', () => {
    const progress = progressOf(6)
    assert.deepEqual(dueIn(progress, { open: 2 }), ['host-0', 'host-1'])
    assert.deepEqual(dueIn(progress, { open: 4, maxHosts: 3 }), ['host-0', 'host-1', 'host-2'])
    progress.begin('host-0')
    progress.report('host-1', reportOf({ state: 'ready' }))
    assert.deepEqual([progress.atWork(nobody), dueIn(progress, { open: 4, maxHosts: 2 })], [1, ['host-0', 'host-2']])
    assert.deepEqual(dueIn(progress, { open: 0 }), ['host-0'], 'who has begun goes on')
  })

  it('holds two million states of hosts and blobs in some megabytes', () => {
    const plan = planOf(200)
    const progress = new Progress(summaryOf(plan), new ManualClock())
    const before = process.memoryUsage()
    for (let i = 0; i < 10_000; i++) {
      const key = `12D3KooW${String(i).padStart(44, 'x')}`
      progress.add({ key, name: `host-${i} (10.0.0.1:7071)` })
      progress.report(key, reportOf({ state: 'moving', haveBytes: i, blobs: new Uint8Array(25).fill(255) }))
    }
    const after = process.memoryUsage()
    const used = after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers
    assert.ok(used < 32 * MIB, `${Math.round(used / MIB)} MiB`)
    assert.equal(progress.views('r', 9_999, 1)[0]?.blobsDone, 200)
  })
})
