import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ScheduleRow, When } from '../../../src/prewarm/schedule.ts'
import { decide, jobOfRun, nextRun, parseWhen, ranAs, scheduleRowSchema } from '../../../src/prewarm/schedule.ts'
import { specOf } from './fixtures.ts'

const HOUR = 3_600_000
const NOON = Date.parse('2026-06-01T12:00:00Z')

function iso(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString()
}

function firstRun(request: object, now = NOON): string | undefined {
  return iso(nextRun(parseWhen(request, now), now))
}

function rowOf(when: When, settledEpochMs = NOON): ScheduleRow {
  return scheduleRowSchema.parse({
    id: 's-00000001',
    spec: specOf(),
    when,
    revision: 1,
    state: 'active',
    createdEpochMs: NOON,
    changedEpochMs: NOON,
    orderedEpochMs: NOON,
    settledEpochMs,
    lastJob: null,
    lastRunEpochMs: null,
    missed: 0,
    lastMissedEpochMs: null,
    problem: null,
  })
}

describe('a schedule begins', () => {
  it('at a time of its zone, at the next such hour, or at a time with an offset', () => {
    assert.equal(firstRun({ at: '2026-11-11T00:00', zone: 'Asia/Shanghai' }), '2026-11-10T16:00:00.000Z')
    assert.equal(firstRun({ at: '2026-11-11 00:00', zone: 'Asia/Shanghai' }), '2026-11-10T16:00:00.000Z')
    assert.equal(firstRun({ at: '9:30', zone: 'Asia/Shanghai' }), '2026-06-02T01:30:00.000Z')
    assert.equal(firstRun({ at: '23:30', zone: 'Asia/Shanghai' }), '2026-06-01T15:30:00.000Z')
    assert.equal(firstRun({ at: '2026-11-11T00:00:30+01:00', zone: 'UTC' }), '2026-11-10T23:00:30.000Z')
  })

  it('again and again by a cron expression, through the change to summer time as well', () => {
    const before = Date.parse('2026-03-28T12:00:00Z')
    const when = parseWhen({ every: '30 4 * * *', zone: 'Europe/Berlin' }, before)
    const first = nextRun(when, before) ?? 0
    assert.deepEqual([iso(first), iso(nextRun(when, first))], ['2026-03-29T02:30:00.000Z', '2026-03-30T02:30:00.000Z'])
  })

  it('never at what is no time, and says what would be one', () => {
    const said = (request: object, text: RegExp): void => assert.throws(() => parseWhen(request, NOON), text)
    said({ at: 'noon' }, /at "noon" is no time such as 22:00/)
    said({ at: '2026-02-31T10:00', zone: 'UTC' }, /no time|is over/)
    said({ at: '2026-05-31T10:00', zone: 'UTC' }, /is over/)
    said({ every: 'often' }, /every "often" is no cron expression such as/)
    said({ every: '0 0 31 2 *' }, /never comes due/)
    said({ every: '* * * * * *' }, /no cron expression/)
    said({ every: '0 0 * * *', zone: 'Mars/Base' }, /zone "Mars\/Base" is no time zone/)
    said({ at: '22:00', every: '0 0 * * *' }, /one of at and every/)
    said({}, /one of at and every/)
  })
})

describe('what is due', () => {
  const hourly: When = { kind: 'every', cron: '0 * * * *', zone: 'UTC' }
  const once: When = { kind: 'at', epochMs: NOON + HOUR, zone: 'UTC' }

  it('is nothing before its time, begins at it, and is over after it', () => {
    assert.equal(decide(rowOf(once), NOON), undefined)
    assert.equal(decide(rowOf(once), NOON + HOUR)?.run, NOON + HOUR)
    const ran = ranAs(rowOf(once), NOON + HOUR, jobOfRun('s-00000001', NOON + HOUR), NOON + HOUR)
    assert.deepEqual([ran.state, decide(ran, NOON + 2 * HOUR)], ['over', undefined])
  })

  it('begins up to an hour late, and is missed after that', () => {
    assert.equal(decide(rowOf(once), NOON + 2 * HOUR)?.run, NOON + HOUR)
    const late = decide(rowOf(once), NOON + 2 * HOUR + 1)
    assert.deepEqual([late?.run, late?.row.missed, late?.row.state], [undefined, 1, 'over'])
    assert.equal(late?.row.lastMissedEpochMs, NOON + HOUR)
  })

  it('is the last of several runs; those before it are missed', () => {
    const due = decide(rowOf(hourly), NOON + 3 * HOUR + 1)
    assert.deepEqual([due?.run, due?.row.missed], [NOON + 3 * HOUR, 2])
    assert.equal(decide(due?.row ?? rowOf(hourly), NOON + 3 * HOUR + 1)?.run, NOON + 3 * HOUR, 'still to begin')
  })

  it('is found at once after years', () => {
    const minutely: When = { kind: 'every', cron: '* * * * *', zone: 'UTC' }
    const now = NOON + 3 * 365 * 24 * HOUR
    const due = decide(rowOf(minutely), now)
    assert.deepEqual([due?.run, due?.row.missed], [now - 60_000, 100])
  })

  it('is one job, whichever cache begins it', () => {
    assert.equal(jobOfRun('s-00000001', NOON), jobOfRun('s-00000001', NOON))
    assert.notEqual(jobOfRun('s-00000001', NOON), jobOfRun('s-00000002', NOON))
    assert.notEqual(jobOfRun('s-00000001', NOON), jobOfRun('s-00000001', NOON + HOUR))
  })
})
