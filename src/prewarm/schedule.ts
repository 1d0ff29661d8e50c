import { createHash } from 'node:crypto'
import { Cron } from 'croner'
import { z } from 'zod'
import { errorText, ShoalError } from '../base/errors.ts'
import type { Shape } from '../base/shape.ts'
import { count, epochMs, newOrderId, text } from '../orders/index.ts'
import { jobId } from './shapes.ts'
import { specSchema } from './spec-shapes.ts'

/*
 * Schedules decide, without I/O: when a job is to begin, which of its times have come, and what became of those.
 */

/** A run that is later than this is missed: whoever planned it for a quiet hour does not want it in a busy one. */
const LATE_MS = 3_600_000
/** How long a schedule that is over, or was cancelled, can still be looked at. */
const KEPT_MS = 30 * 86_400_000
/** Missed runs are counted one by one up to here. */
const MAX_COUNTED = 100
const MAX_WHEN_CHARS = 100

export const scheduleId = z.string().regex(/^s-[a-z0-9-]{8,62}$/)
/** A name of the time zone database. */
const zoneName = z.string().max(64).refine(isZone, { error: 'is no time zone such as Europe/Berlin' })

/** When: once, or again and again by a cron expression of five fields in a time zone. */
const when = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('at'), epochMs, zone: zoneName }),
  z
    .object({ kind: z.literal('every'), cron: z.string().max(MAX_WHEN_CHARS), zone: zoneName })
    .refine(({ cron, zone }) => cronProblem(cron, zone) === undefined, { error: 'is no cron expression' }),
])
export type When = Shape<typeof when>

/** What an order has a schedule be. */
export const scheduledSchema = z.object({ spec: specSchema, when })
export type Scheduled = Shape<typeof scheduledSchema>

/** A schedule as the caches keep it: the one with the higher revision counts. */
export const scheduleRowSchema = scheduledSchema.extend({
  id: scheduleId,
  revision: count,
  state: z.enum(['active', 'over', 'cancelled']),
  createdEpochMs: epochMs,
  changedEpochMs: epochMs,
  /** When the last order about it was given: older ones are not obeyed. */
  orderedEpochMs: epochMs,
  /** What was due until then is dealt with. */
  settledEpochMs: epochMs,
  lastJob: jobId.nullable(),
  lastRunEpochMs: epochMs.nullable(),
  /** Runs that did not begin: no cache was there, or the job before was still under way. */
  missed: count,
  lastMissedEpochMs: epochMs.nullable(),
  /** Why the last one that was due has not begun, or not yet. */
  problem: text.nullable(),
})
export type ScheduleRow = Shape<typeof scheduleRowSchema>

/** A schedule as it is told. */
export const scheduleViewSchema = scheduleRowSchema.extend({ nextEpochMs: epochMs.nullable() })
export type ScheduleView = Shape<typeof scheduleViewSchema>

/** What is asked for, as people write it; `zone` is what times without an offset are in. */
const requestSchema = z
  .strictObject({
    at: z.string().max(MAX_WHEN_CHARS).optional(),
    every: z.string().max(MAX_WHEN_CHARS).optional(),
    zone: z.string().max(64).optional(),
  })
  .refine(({ at, every }) => (at === undefined) !== (every === undefined), { error: 'says one of at and every' })

/** Of this process. */
export function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone
}

/** Sorts by time, and is no id of a job. */
export function newScheduleId(now: number): string {
  return `s-${newOrderId(now)}`
}

export function isScheduleId(id: string): boolean {
  return scheduleId.safeParse(id).success
}

/** When a request means. Throws `PREWARM_INVALID` saying which key is wrong and what would do. */
export function parseWhen(request: unknown, now: number): When {
  const parsed = requestSchema.safeParse(request)
  if (!parsed.success) throw invalid(`schedule ${parsed.error.issues[0]?.message ?? 'is wrong'}`)
  const { at, every, zone = localZone() } = parsed.data
  if (!isZone(zone)) throw invalid(`zone ${JSON.stringify(zone)} is no time zone such as Europe/Berlin`)
  if (at !== undefined) return { kind: 'at', epochMs: timeOf(at, zone, now), zone }
  const cron = every ?? ''
  const problem = cronProblem(cron, zone)
  if (problem !== undefined) {
    throw invalid(`every ${JSON.stringify(cron)} is no cron expression such as "30 4 * * 1-5" (${problem})`)
  }
  return { kind: 'every', cron, zone }
}

/** The first time after `after`; undefined when there is none any more. */
export function nextRun(spec: When, after: number): number | undefined {
  if (spec.kind === 'at') return spec.epochMs > after ? spec.epochMs : undefined
  return cronOf(spec.cron, spec.zone).nextRun(new Date(after))?.getTime()
}

/** What has come due and is not dealt with: the last of it, and how many before that. */
function dueRuns(row: ScheduleRow, now: number): { readonly last: number; readonly before: number } | undefined {
  let last: number | undefined
  let before = -1
  for (let at = nextRun(row.when, row.settledEpochMs); at !== undefined && at <= now; at = nextRun(row.when, at)) {
    last = at
    before++
    if (before < MAX_COUNTED || row.when.kind === 'at') continue
    last = cronOf(row.when.cron, row.when.zone).previousRuns(1, new Date(now))[0]?.getTime() ?? at
    break
  }
  return last === undefined ? undefined : { last, before }
}

/**
 * What to do about a schedule now: nothing (undefined), begin the run that was due at `run`, or only note what was missed
 * (`row`). Of several runs that are due only the last begins.
 */
export function decide(
  row: ScheduleRow,
  now: number,
): { readonly run?: number; readonly row: ScheduleRow } | undefined {
  if (row.state !== 'active') return undefined
  const due = dueRuns(row, now)
  if (due === undefined) return undefined
  const { last, before } = due
  if (now - last > LATE_MS) return { row: missedRun(row, { at: last, runs: before + 1, now }) }
  return before === 0 ? { run: last, row } : { run: last, row: missedRun(row, { at: last - 1, runs: before, now }) }
}

/** The schedule after runs that did not begin, the last of them due at `at`. */
export function missedRun(
  row: ScheduleRow,
  { at, runs, now, problem = row.problem }: { at: number; runs: number; now: number; problem?: string | null },
): ScheduleRow {
  const missed = { missed: row.missed + runs, lastMissedEpochMs: at, settledEpochMs: at, problem }
  return settled({ ...row, ...missed }, now)
}

/** The schedule after the run that was due at `run` has begun. */
export function ranAs(row: ScheduleRow, run: number, job: string, now: number): ScheduleRow {
  return settled({ ...row, settledEpochMs: run, lastJob: job, lastRunEpochMs: now, problem: null }, now)
}

export function changedSchedule(row: ScheduleRow, now: number): ScheduleRow {
  return { ...row, revision: row.revision + 1, changedEpochMs: now }
}

/** Of two caches that both have changed it, the same one counts everywhere. */
export function isNewerSchedule(a: ScheduleRow, b: ScheduleRow): boolean {
  return a.revision === b.revision ? a.changedEpochMs > b.changedEpochMs : a.revision > b.revision
}

export function isForgotten({ state, changedEpochMs }: ScheduleRow, now: number): boolean {
  return state !== 'active' && now - changedEpochMs > KEPT_MS
}

export function scheduleView(row: ScheduleRow, now: number): ScheduleView {
  const next = row.state === 'active' ? nextRun(row.when, Math.max(now, row.settledEpochMs)) : undefined
  return { ...row, nextEpochMs: next ?? null }
}

/** The job of a run: whichever cache begins it, it is one job. */
export function jobOfRun(id: string, run: number): string {
  return `${run.toString(36).padStart(9, '0')}-${createHash('sha256').update(id).digest('hex').slice(0, 10)}`
}

function settled(row: ScheduleRow, now: number): ScheduleRow {
  const isOver = nextRun(row.when, row.settledEpochMs) === undefined
  return changedSchedule(isOver ? { ...row, state: 'over' } : row, now)
}

const CLOCK_TIME = /^([01]?\d|2[0-3]):([0-5]\d)$/
const DATE_TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(Z|[+-]\d\d:\d\d)?$/
const NO_TIME = 'is no time such as 22:00, 2026-11-11T00:00 or 2026-11-10T16:00Z'

function timeOf(at: string, zone: string, now: number): number {
  const clock = CLOCK_TIME.exec(at)
  if (clock !== null)
    return cronOf(`${Number(clock[2])} ${Number(clock[1])} * * *`, zone)
      .nextRun(new Date(now))!
      .getTime()
  const [, date, minutes, seconds = ':00', offset] = DATE_TIME.exec(at) ?? []
  if (date === undefined) throw invalid(`at ${JSON.stringify(at)} ${NO_TIME}`)
  const said = `${date}T${minutes}${seconds}`
  const epoch = offset === undefined ? localTime(said, zone) : Date.parse(`${said}${offset}`)
  if (epoch === undefined || Number.isNaN(epoch)) throw invalid(`at ${JSON.stringify(at)} ${NO_TIME}`)
  if (epoch <= now) throw invalid(`at ${JSON.stringify(at)} (${new Date(epoch).toISOString()}) is over`)
  return epoch
}

function localTime(said: string, zone: string): number | undefined {
  try {
    return new Cron(said, { timezone: zone }).getOnce()?.getTime()
  } catch {
    return undefined
  }
}

function cronOf(expression: string, zone: string): Cron {
  return new Cron(expression, { timezone: zone, mode: '5-part' })
}

/** Undefined for an expression that comes due some time. */
function cronProblem(expression: string, zone: string): string | undefined {
  try {
    return cronOf(expression, zone).nextRun() === null ? 'it never comes due' : undefined
  } catch (error) {
    return errorText(error).replace(/^CronPattern: /, '')
  }
}

function isZone(zone: string): boolean {
  try {
    Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}

function invalid(message: string): ShoalError {
  return new ShoalError('PREWARM_INVALID', message)
}
