import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { parseDurationMs, parseRateBytesPerSec } from '../base/quantity.ts'
import { parseReference } from '../oci/reference.ts'
import { amountValue, EVERYBODY, parseAmount } from './amount.ts'
import type { Amount, PrewarmPatch, PrewarmSpec } from './interface.ts'
import { MAX_IMAGES } from './shapes.ts'

const MAX_REFERENCE_CHARS = 600
const MAX_SELECTORS = 32
const MAX_REGIONS = 256
const MAX_WAVES = 64
const MAX_PLATFORMS = 16
const MAX_QUOTED_CHARS = 700
const MAX_DAYS = 400
const MAX_SPAN_MS = MAX_DAYS * 86_400_000
const PLATFORM = /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/
const LABEL_KEY = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/
const LABEL_VALUE = /^[A-Za-z0-9._-]{0,63}$/
const REGION = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/

const rate = z.union([z.string().max(40), z.number()], { error: 'is not a rate' }).transform((value, context) => {
  const bytesPerSec = parseRateBytesPerSec(value)
  if (bytesPerSec !== undefined) return bytesPerSec
  context.addIssue({ code: 'custom', message: 'is not a rate such as 100MiB (bytes per second; 0 = unlimited)' })
  return z.NEVER
})

const span = z.union([z.string().max(40), z.number()], { error: 'is not a duration' }).transform((value, context) => {
  const ms = parseDurationMs(value)
  if (ms !== undefined && ms <= MAX_SPAN_MS) return ms
  context.addIssue({ code: 'custom', message: `is not a duration such as 30m or 24h, up to ${MAX_DAYS}d` })
  return z.NEVER
})

const NO_PERCENT = { error: 'is not a percentage such as 95%' }
const quorum = z.union([z.string().max(12), z.number()], NO_PERCENT).transform((value, context) => {
  const amount = parseAmount(value)
  if (amount?.kind === 'percent') return amount.percent
  context.addIssue({ code: 'custom', message: NO_PERCENT.error })
  return z.NEVER
})

const image = z
  .string()
  .max(MAX_REFERENCE_CHARS)
  .superRefine((text, context) => {
    try {
      // only its grammar: which upstream a bare name means is known to the agent
      parseReference(text, 'docker.io')
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'is no image' })
    }
  })

const NO_PLATFORM = { error: 'is neither os/arch[/variant] nor all' }
const NO_COUNT = { error: 'is not a number of hosts' }
const hostCount = z.union([z.int(NO_COUNT).min(0, NO_COUNT), z.string().regex(/^\d{1,9}$/, NO_COUNT)], NO_COUNT)

/** Somebody at least. */
const someHosts = amountValue.refine(
  (amount) => (amount.kind === 'count' ? amount.count : amount.percent) > 0,
  'chooses no host',
)

const waves = z
  .array(someHosts)
  .min(1, { error: 'is empty' })
  .max(MAX_WAVES)
  .superRefine((all, context) => {
    const at = all.findIndex((wave, i) => all.slice(0, i).some((before) => isFewer(wave, before)))
    if (at < 0) return
    const message = 'is fewer hosts than a wave before it: waves count all hosts that may have begun'
    context.addIssue({ code: 'custom', path: [at], message })
  })
  .transform(toTheEnd)

const editable = {
  waves,
  maxHosts: hostCount.transform(Number),
  rate,
  fleetRate: rate,
  originRate: rate,
  deadline: span,
  quorum,
  failureBudget: amountValue,
  pin: span,
  join: span,
}

const specSchema = z.strictObject({
  images: z.array(image).min(1, { error: 'name at least one image' }).max(MAX_IMAGES),
  regions: z
    .array(z.string().regex(REGION, { error: 'is no region name' }))
    .max(MAX_REGIONS)
    .default([]),
  select: z
    .record(
      z.string().regex(LABEL_KEY, { error: 'is no label name' }),
      z.string().regex(LABEL_VALUE, { error: 'is no label value' }),
    )
    .refine((labels) => Object.keys(labels).length <= MAX_SELECTORS, 'has too many labels')
    .default({}),
  hosts: someHosts.nullable().default(null),
  waves: editable.waves.default([EVERYBODY]),
  maxHosts: editable.maxHosts.default(0),
  rate: rate.default(0),
  fleetRate: rate.default(0),
  originRate: rate.default(0),
  platforms: z
    .array(
      z
        .string(NO_PLATFORM)
        .max(64, NO_PLATFORM)
        .refine((text) => text === 'all' || PLATFORM.test(text), NO_PLATFORM),
    )
    .max(MAX_PLATFORMS)
    .default([]),
  deadline: span.default(0),
  quorum: quorum.default(100),
  failureBudget: amountValue.default({ kind: 'percent', percent: 5 }),
  pin: span.default(0),
  join: span.default(0),
  load: z.enum(['docker', 'containerd'], { error: 'is neither docker nor containerd' }).nullable().default(null),
})

const patchSchema = z.strictObject({ state: z.enum(['running', 'paused', 'cancelled']), ...editable }).partial()

/** What can be said without knowing how many hosts there are. */
function isFewer(a: Amount, b: Amount): boolean {
  if (a.kind === 'count') return b.kind === 'count' ? a.count < b.count : b.percent === 100
  return b.kind === 'percent' && a.percent < b.percent
}

/** The last wave is everybody, whether it was written or not. */
function toTheEnd(waves: Amount[]): Amount[] {
  const last = waves.at(-1)
  return last?.kind === 'percent' && last.percent === 100 ? waves : [...waves, EVERYBODY]
}

/** What people call a key of a request, by its path. */
export type NameOf = (path: readonly string[]) => string

const byPath: NameOf = (path) => path.join('.')

/** A request as people and scripts write it, complete. Throws `PREWARM_INVALID` naming the key that is wrong. */
export function parsePrewarmSpec(request: unknown, nameOf: NameOf = byPath): PrewarmSpec {
  const { rate, fleetRate, originRate, deadline, quorum, pin, join, ...rest } = parse(specSchema, request, nameOf)
  return {
    ...rest,
    ...{ rateBytesPerSec: rate, fleetRateBytesPerSec: fleetRate, originRateBytesPerSec: originRate },
    ...{ deadlineMs: deadline, quorumPercent: quorum, pinMs: pin, joinMs: join },
  }
}

/** A change as people and scripts write it. Throws `PREWARM_INVALID`. */
export function parsePrewarmPatch(request: unknown, nameOf: NameOf = byPath): PrewarmPatch {
  const { rate, fleetRate, originRate, deadline, quorum, pin, join, ...rest } = parse(patchSchema, request, nameOf)
  return {
    ...rest,
    ...{ rateBytesPerSec: rate, fleetRateBytesPerSec: fleetRate, originRateBytesPerSec: originRate },
    ...{ deadlineMs: deadline, quorumPercent: quorum, pinMs: pin, joinMs: join },
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
