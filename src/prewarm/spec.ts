import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { parseDurationMs, parseRateBytesPerSec } from '../base/quantity.ts'
import { amountValue, EVERYBODY, parseAmount } from './amount.ts'
import type { PrewarmPatch, PrewarmSpec } from './interface.ts'
import {
  amount,
  hostCount,
  images,
  isEverybody,
  MAX_SPAN_DAYS,
  MAX_SPAN_MS,
  MAX_WAVES,
  NO_COUNT,
  NO_PRIORITY,
  platforms,
  priority,
  quorumPercent,
  rateBytesPerSec,
  regions,
  runtime,
  select,
  someHosts,
  spanMs,
  waves,
} from './spec-shapes.ts'

/*
 * Requests as people and scripts write them: text like "50MiB" and "30m" is read here, and what it may be is said by the
 * shapes it is read into.
 */

const MAX_QUOTED_CHARS = 700

const rateText = z.union([z.string().max(40), z.number()], { error: 'is not a rate' }).transform((value, context) => {
  const bytesPerSec = parseRateBytesPerSec(value)
  if (bytesPerSec !== undefined) return bytesPerSec
  context.addIssue({ code: 'custom', message: 'is not a rate such as 100MiB (bytes per second; 0 = unlimited)' })
  return z.NEVER
})

const spanText = z
  .union([z.string().max(40), z.number()], { error: 'is not a duration' })
  .transform((value, context) => {
    const ms = parseDurationMs(value)
    if (ms !== undefined && ms <= MAX_SPAN_MS) return ms
    context.addIssue({ code: 'custom', message: `is not a duration such as 30m or 24h, up to ${MAX_SPAN_DAYS}d` })
    return z.NEVER
  })

const NO_PERCENT = { error: 'is not a percentage such as 95%' }
const quorumText = z.union([z.string().max(12), z.number()], NO_PERCENT).transform((value, context) => {
  const parsed = parseAmount(value)
  if (parsed?.kind === 'percent') return parsed.percent
  context.addIssue({ code: 'custom', message: NO_PERCENT.error })
  return z.NEVER
})
const countText = z.union([z.number(), z.string().regex(/^\d{1,9}$/, NO_COUNT)], NO_COUNT).transform(Number)

const priorityText = z
  .union([z.number(), z.string().regex(/^[+-]?\d{1,9}$/, NO_PRIORITY)], NO_PRIORITY)
  .transform(Number)

const hosts = amountValue.pipe(someHosts)
const rate = rateText.pipe(rateBytesPerSec)
const span = spanText.pipe(spanMs)
const budget = amountValue.pipe(amount)

const editable = {
  waves: z
    .array(amountValue)
    .min(1, { error: 'is empty' })
    .max(MAX_WAVES)
    // the last wave is everybody, whether it was written or not
    .transform((all) => (isEverybody(all.at(-1)) ? all : [...all, EVERYBODY]))
    .pipe(waves),
  maxHosts: countText.pipe(hostCount),
  rate,
  fleetRate: rate,
  originRate: rate,
  deadline: span,
  quorum: quorumText.pipe(quorumPercent),
  failureBudget: budget,
  pin: span,
  join: span,
  priority: priorityText.pipe(priority),
}

const requestSchema = z.strictObject({
  images,
  regions: regions.default([]),
  select: select.default({}),
  hosts: hosts.nullable().default(null),
  waves: editable.waves.default([EVERYBODY]),
  maxHosts: editable.maxHosts.default(0),
  rate: rate.default(0),
  fleetRate: rate.default(0),
  originRate: rate.default(0),
  platforms: platforms.default([]),
  deadline: span.default(0),
  quorum: editable.quorum.default(100),
  failureBudget: budget.default({ kind: 'percent', percent: 5 }),
  pin: span.default(0),
  join: span.default(0),
  load: runtime.nullable().default(null),
  priority: editable.priority.default(0),
})

const changesSchema = z.strictObject({ state: z.enum(['running', 'paused', 'cancelled']), ...editable }).partial()

/** What people call a key of a request, by its path. */
type NameOf = (path: readonly string[]) => string

const byPath: NameOf = (path) => path.join('.')

/** A request as people and scripts write it, complete. Throws `PREWARM_INVALID` naming the key that is wrong. */
export function parsePrewarmSpec(request: unknown, nameOf: NameOf = byPath): PrewarmSpec {
  const { rate, fleetRate, originRate, deadline, quorum, pin, join, ...rest } = parse(requestSchema, request, nameOf)
  return { ...rest, ...withUnits({ rate, fleetRate, originRate, deadline, quorum, pin, join }) }
}

/** A change as people and scripts write it. Throws `PREWARM_INVALID`. */
export function parsePrewarmPatch(request: unknown, nameOf: NameOf = byPath): PrewarmPatch {
  const { rate, fleetRate, originRate, deadline, quorum, pin, join, ...rest } = parse(changesSchema, request, nameOf)
  return { ...rest, ...withUnits({ rate, fleetRate, originRate, deadline, quorum, pin, join }) }
}

/** What people write without a unit in its name, by the names that it has inside. */
function withUnits<T>(given: Record<'rate' | 'fleetRate' | 'originRate' | 'deadline' | 'quorum' | 'pin' | 'join', T>) {
  return {
    rateBytesPerSec: given.rate,
    fleetRateBytesPerSec: given.fleetRate,
    originRateBytesPerSec: given.originRate,
    deadlineMs: given.deadline,
    quorumPercent: given.quorum,
    pinMs: given.pin,
    joinMs: given.join,
  }
}

function parse<T>(schema: z.ZodType<T>, request: unknown, nameOf: NameOf): T {
  const result = schema.safeParse(request)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  if (issue === undefined) throw new ShoalError('PREWARM_INVALID', 'the request is wrong')
  throw new ShoalError('PREWARM_INVALID', issueText(issue, request, nameOf))
}

/** `waves.1 "half" is not ...`: which key, what was given, what is wrong with it. */
function issueText(issue: z.core.$ZodIssue, request: unknown, nameOf: NameOf): string {
  if (issue.code === 'unrecognized_keys') return `${issue.keys.map((key) => nameOf([key])).join(', ')} is not known`
  const path = issue.path.map(String)
  const name = path.length === 0 ? 'the request' : nameOf(path)
  // of a record's key, the value is beside the point
  const isKey = issue.code === 'invalid_key'
  const what = isKey ? (issue.issues[0]?.message ?? issue.message) : issue.message
  const given = quoted(isKey ? path.at(-1) : valueAt(request, path))
  // some texts begin with what was given
  return given === '' || what.startsWith(given) ? `${name} ${what}` : `${name} ${given} ${what}`
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let at = value
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined
    // an own key of an object whose type nobody knows
    at = (at as Readonly<Record<string, unknown>>)[key]
  }
  return at
}

function quoted(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? JSON.stringify(value).slice(0, MAX_QUOTED_CHARS) : ''
}
