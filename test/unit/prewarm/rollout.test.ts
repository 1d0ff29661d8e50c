import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeMessage, encodeMessage } from '../../../src/orders/codec.ts'
import { patchJob } from '../../../src/prewarm/job.ts'
import type { PrewarmMessages } from '../../../src/prewarm/messages.ts'
import { PREWARM_MESSAGES } from '../../../src/prewarm/messages.ts'
import { reportOf } from './fixtures.ts'
import { GONE_MS, PLAN, Region } from './region.ts'

describe('the leader of a job in a region', () => {
  it('tells the hosts of the open wave, once, and again only who does not answer', () => {
    const region = new Region({ waves: ['2'] }, 5)
    region.step()
    const [first, second] = region.reached
    assert.equal(region.reached.length, 2)
    region.report(first!, { state: 'moving' })
    region.now += 20_000
    region.step()
    assert.deepEqual([region.told.get(first!)?.length, region.told.get(second!)?.length], [1, 2])
    region.report(first!, { state: 'ready' })
    region.report(second!, { state: 'ready' })
    region.advance()
    assert.equal(region.reached.length, 5)
  })

  it('keeps to the number of hosts at work, and fills the places of those that end', () => {
    const region = new Region({ maxHosts: 2 }, 5)
    region.step()
    assert.equal(region.reached.length, 2)
    region.report(region.reached[0]!, { state: 'failed', reason: 'x' })
    region.step()
    assert.equal(region.reached.length, 3)
  })

  it('divides the fleet rate among those at work', () => {
    const region = new Region({ fleetRate: 1000, rate: 600 }, 4)
    region.step()
    region.step()
    const rates = region.reached.map((key) => region.told.get(key)?.at(-1)?.rateBytesPerSec)
    assert.deepEqual(rates, [250, 250, 250, 250])
    for (const key of region.reached.slice(0, 3)) region.report(key, { state: 'ready' })
    region.step()
    assert.equal(region.told.get(region.reached[3]!)?.at(-1)?.rateBytesPerSec, 600)
  })

  it('tells everybody at work of a pause, and goes on where it was', () => {
    const region = new Region({}, 3)
    region.step()
    for (const key of region.reached) region.report(key, { state: 'moving' })
    region.row = patchJob(region.row, { state: 'paused' }, region.now)
    region.step()
    assert.deepEqual(
      region.reached.map((key) => region.told.get(key)?.at(-1)?.state),
      ['paused', 'paused', 'paused'],
    )
    region.row = patchJob(region.row, { state: 'running' }, region.now)
    region.step()
    assert.deepEqual(
      region.reached.map((key) => region.told.get(key)?.at(-1)?.state),
      ['running', 'running', 'running'],
    )
  })

  it('tells hosts that are ready of a change, too: their pins end at another time now', () => {
    const region = new Region({ pin: '2h', waves: ['2', '100%'] }, 3)
    region.step()
    const [ready, failed] = region.reached
    region.report(ready!, { state: 'ready' })
    region.report(failed!, { state: 'failed', reason: 'x' })
    region.row = patchJob(region.row, { pinMs: 3_600_000 }, region.now)
    region.step()
    region.step()
    for (const key of [ready!, failed!]) {
      const told = region.told.get(key)?.map(({ pinUntilEpochMs }) => pinUntilEpochMs)
      assert.deepEqual(told, [region.row.createdEpochMs + 7_200_000, region.row.createdEpochMs + 3_600_000])
    }
    region.report(ready!, { state: 'ready' })
    region.now += 60_000
    region.step()
    assert.equal(region.told.get(ready!)?.length, 2, 'who has heard of it is left alone')
  })

  it('tells a host again that has answered and then says nothing: it may have lost its task with its power', () => {
    const region = new Region({}, 1)
    region.step()
    const [host] = region.reached
    region.report(host!, { state: 'moving' })
    for (let passed = 0; passed < 60_000; passed += 1_000) {
      region.step()
      region.now += 1_000
    }
    assert.equal(region.told.get(host!)?.length, 1)
    region.step()
    assert.equal(region.told.get(host!)?.length, 2)
    // as a cache that has just become leader hears of it from nobody else
    const standby = region.leader()
    standby.learnRoster(region.job.roster)
    standby.report({ key: host!, name: 'web' }, reportOf({ revision: 1 }))
    standby.step(region.share, PLAN)
    assert.equal(region.told.get(host!)?.length, 2)
    region.now += 60_000
    standby.step(region.share, PLAN)
    assert.equal(region.told.get(host!)?.length, 3)
  })

  it('says when the tags of a job were resolved, however late a host joins', () => {
    const region = new Region({ join: '1h' }, 1)
    region.step()
    region.now += 600_000
    region.join('host-99999')
    region.step()
    assert.equal(region.told.get('host-99999')?.[0]?.resolvedEpochMs, region.row.createdEpochMs)
  })

  it('tells hosts that come back after a cancel that it is over, and takes in nobody new', () => {
    const region = new Region({ join: '1h' }, 2)
    region.step()
    const [gone] = region.reached
    for (const key of region.reached) region.report(key, { state: 'moving' })
    region.leave(gone!)
    region.row = patchJob(region.row, { state: 'cancelled' }, region.now)
    region.step()
    region.join(gone!)
    region.join('host-99999')
    region.step()
    region.step()
    assert.deepEqual(
      region.told.get(gone!)?.map(({ state }) => state),
      ['running', 'stopped'],
    )
    assert.deepEqual(region.told.get('host-99999'), [])
  })

  it('takes a host for failed that is gone for long, until it speaks again', () => {
    const region = new Region({}, 2)
    region.step()
    const [gone, other] = region.reached
    region.report(gone!, { state: 'moving' })
    region.report(other!, { state: 'ready' })
    region.leave(gone!)
    region.step()
    region.now += GONE_MS - 1
    region.step()
    assert.equal(region.job.tally().hosts.failed, 0)
    region.now += 1
    region.step()
    assert.deepEqual(
      region.job.tally().reasons.map(({ reason, count }) => [reason, count]),
      [['not reachable', 1]],
    )
    region.join(gone!)
    region.report(gone!, { state: 'moving' })
    assert.deepEqual([region.job.tally().hosts.failed, region.job.tally().hosts.moving], [0, 1])
  })

  it('counts a host that was off when its wave began as unreachable until it is there, and then has it begin', () => {
    const region = new Region({ maxHosts: 1 }, 2)
    region.step()
    const [first] = region.reached
    const other = region.job.roster.find(({ key }) => key !== first)!.key
    region.leave(other)
    region.report(first!, { state: 'ready' })
    region.step()
    region.now += GONE_MS
    region.step()
    assert.equal(region.job.tally().setAside, 1)
    region.join(other)
    region.step()
    assert.deepEqual([region.told.get(other)?.length, region.job.tally().setAside], [1, 0])
    region.report(other, { state: 'ready' })
    assert.deepEqual([region.job.tally().hosts.ready, region.job.tally().begun], [2, 2])
  })

  it('has patience with a host that has spoken and is at work', () => {
    const region = new Region({}, 1)
    region.step()
    const [busy] = region.reached
    region.report(busy!, { state: 'loading' })
    for (let i = 0; i < 9; i++) {
      region.now += 15_000
      region.step()
    }
    assert.equal(region.job.tally().hosts.failed, 0)
  })

  it('counts nobody who speaks of a job that he cannot be a host of', () => {
    const region = new Region({ select: { disk: 'ssd' }, join: '1h' }, 3)
    const few = new Region({ hosts: '1' }, 3)
    for (const one of [region, few]) {
      one.step()
      for (const key of ['host-00000', 'host-00001', 'host-00002', 'host-77777']) one.report(key, { state: 'failed' })
    }
    assert.deepEqual([region.job.roster.length, few.job.roster.length], [0, 1])
  })

  it('takes in hosts that join while they may, and not more than wanted', () => {
    const open = new Region({ join: '1h' }, 2)
    const closed = new Region({}, 2)
    const full = new Region({ join: '1h', hosts: '2' }, 3)
    for (const region of [open, closed, full]) {
      region.step()
      region.join('host-99999')
      region.step()
    }
    assert.deepEqual([open.reached.length, closed.reached.length, full.reached.length], [3, 2, 2])
    open.now += 3_600_000
    open.join('host-99998')
    open.step()
    assert.equal(open.reached.length, 3)
  })

  it('is replaced by one that knows the order and the reports, and disturbs nobody who is at work', () => {
    const region = new Region({ waves: ['3'] }, 6)
    region.step()
    const standby = region.leader()
    standby.learnRoster(region.job.roster)
    const begun = region.reached
    for (const key of begun.slice(0, 2)) standby.report({ key, name: key }, reportOf({ revision: 1 }))
    standby.step(region.share, PLAN)
    assert.deepEqual(
      begun.map((key) => region.told.get(key)?.length),
      [1, 1, 2],
    )
    assert.equal(region.reached.length, 3)
  })

  it('needs one message to each of ten thousand hosts, and bears a report of each every two seconds', () => {
    const region = new Region({}, 10_000)
    let atOnce = 0
    for (let before = 0; region.reached.length < 10_000; before = region.reached.length) {
      region.now += 1_000
      region.step()
      const told = region.reached.length - before
      assert.ok(told > 0, 'told nobody in a second')
      atOnce = Math.max(atOnce, told)
    }
    // all in one turn would hold up the cache for as long as links are taken for dead
    assert.ok(atOnce < 3_000, `${atOnce} hosts told in one step`)
    const bits = new Uint8Array(25)
    for (let round = 0; round < 10; round++) {
      region.now += 2_000
      bits.fill(255, 0, round)
      for (const { key } of region.job.roster) {
        const report = reportOf({ state: round === 9 ? 'ready' : 'moving', haveBytes: round, blobs: bits })
        const message = decodeMessage(
          PREWARM_MESSAGES,
          encodeMessage<PrewarmMessages>({ kind: 'report', job: region.row.id, report }),
        )
        assert.ok(message?.kind === 'report')
        region.job.report({ key, name: key }, message.report)
      }
      region.step()
    }
    const most = Math.max(...[...region.told.values()].map((tasks) => tasks.length))
    assert.deepEqual([region.reached.length, most, region.job.tally().hosts.ready], [10_000, 1, 10_000])
  })
})
