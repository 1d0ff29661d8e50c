import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { logFaults } from '../../chaos/log-faults.ts'
import { FAULTS, ORIGINS } from '../../chaos/names.ts'
import { only, scheduleOf } from '../../chaos/schedule.ts'
import { replayCommand, shrink } from '../../chaos/shrink.ts'

const LIMITS = { seconds: 15, faults: [2, 5] } as const

describe('a schedule of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    assert.deepEqual(scheduleOf(7, LIMITS), scheduleOf(7, LIMITS))
    assert.notDeepEqual(scheduleOf(7, LIMITS).events, scheduleOf(8, LIMITS).events)
  })

  it('has as many faults as it may, each within the run', () => {
    for (let seed = 0; seed < 200; seed++) {
      const { events } = scheduleOf(seed, LIMITS)
      assert.ok(events.length >= 2 && events.length <= 5)
      assert.ok(events.every(({ atMs, forMs }) => atMs > 0 && atMs < 15_000 && forMs > 0))
      assert.deepEqual(
        events.map(({ number }) => number),
        events.map((_, index) => index),
      )
    }
  })

  it('has only the faults that it may', () => {
    const { events } = scheduleOf(1, { ...LIMITS, among: ['kill', 'flood'] })
    assert.ok(events.every(({ fault }) => fault === 'kill' || fault === 'flood'))
  })

  it('has every fault once before it has one again, over seeds that follow each other', () => {
    const limits = { seconds: 15, faults: [1, 1] } as const
    const orders = [0, 1].map((round) =>
      FAULTS.map((_, index) => scheduleOf(round * FAULTS.length + index, limits).events[0]?.fault),
    )
    for (const order of orders) assert.deepEqual([...order].sort(), [...FAULTS].sort())
    assert.notDeepEqual(orders[0], orders[1])
  })

  it('leaves no fault and no origin out over many seeds', () => {
    const schedules = Array.from({ length: 300 }, (_, seed) => scheduleOf(seed, LIMITS))
    const faults = new Set(schedules.flatMap(({ events }) => events.map(({ fault }) => fault)))
    assert.deepEqual([...faults].sort(), [...FAULTS].sort())
    assert.deepEqual(new Set(schedules.map(({ origin }) => origin)), new Set(ORIGINS))
  })

  it('is shrunk to the faults that matter, and says how to play them again', async () => {
    const limits = { seconds: 15, faults: [5, 5] } as const
    const schedule = scheduleOf(3, limits)
    const smallest = await shrink(schedule, async ({ events }) => {
      const numbers = events.map(({ number }) => number)
      return numbers.includes(1) && numbers.includes(3)
    })
    assert.equal(replayCommand(smallest, limits), 'npm run chaos -- --seeds 3 --seconds 15 --faults 5-5 --only 1,3')
    assert.deepEqual(only(schedule, [1, 3]), smallest)
  })
})

describe('what a log may not show', () => {
  it('is a stack trace, and what no logger wrote', () => {
    const line = (err: object): string => JSON.stringify({ level: 'warn', msg: 'failed', err })
    assert.equal(logFaults(line({ type: 'ShoalError', message: 'no answer' })).length, 0)
    assert.equal(logFaults(line({ type: 'TypeError', message: 'x', stack: 'TypeError: x\n    at y' })).length, 1)
    assert.equal(logFaults('Warning: a promise was rejected').length, 1)
    assert.equal(logFaults(JSON.stringify({ level: 'warn', msg: 'failed', err: 'no answer' })).length, 0)
  })
})
