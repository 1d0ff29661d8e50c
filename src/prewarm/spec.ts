import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { parseDurationMs, parseRateBytesPerSec } from '../base/quantity.ts'
import { parseReference } from '../oci/reference.ts'
import { amountValue, EVERYBODY } from './amount.ts'
import type { Amount, PrewarmPatch, PrewarmSpec } from './interface.ts'

const MAX_IMAGES = 64
const MAX_REFERENCE_CHARS = 600
const MAX_SELECTORS = 32
const MAX_REGIONS = 256
const MAX_WAVES = 64
const MAX_PLATFORMS = 16
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

const quorum = amountValue.transform((amount, context) => {
  if (amount.kind === 'percent') return amount.percent
  context.addIssue({ code: 'custom', message: 'is not a percentage such as 95%' })
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

const NO_COUNT = { error: 'is not a number of hosts' }
const hostCount = z.union([z.int(NO_COUNT).min(0, NO_COUNT), z.string().regex(/^\d{1,9}$/, NO_COUNT)], NO_COUNT)

const editable = {
  waves: z.array(amountValue).min(1, { error: 'is empty' }).max(MAX_WAVES).transform(toTheEnd),
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
  hosts: amountValue.nullable().default(null),
  waves: editable.waves.default([EVERYBODY]),
  maxHosts: editable.maxHosts.default(0),
  rate: rate.default(0),
  fleetRate: rate.default(0),
  originRate: rate.default(0),
  platforms: z
    .array(z.union([z.literal('all'), z.string().regex(PLATFORM)], { error: 'is no os/arch[/variant]' }))
    .max(MAX_PLATFORMS)
    .default([]),
  deadline: span.default(0),
  quorum: quorum.default(100),
  failureBudget: amountValue.default({ kind: 'percent', percent: 5 }),
  pin: span.default(0),
  join: span.default(0),
  load: z.enum(['docker', 'containerd']).nullable().default(null),
})

const patchSchema = z.strictObject({ state: z.enum(['running', 'paused', 'cancelled']), ...editable }).partial()

/** The last wave is everybody, whether it was written or not. */
function toTheEnd(waves: Amount[]): Amount[] {
  const last = waves.at(-1)
  return last?.kind === 'percent' && last.percent === 100 ? waves : [...waves, EVERYBODY]
}

/** A request as people and scripts write it, complete. Throws `PREWARM_INVALID` naming the key that is wrong. */
export function parsePrewarmSpec(request: unknown): PrewarmSpec {
  const { rate, fleetRate, originRate, deadline, quorum, pin, join, ...rest } = parse(specSchema, request)
  return {
    ...rest,
    ...{ rateBytesPerSec: rate, fleetRateBytesPerSec: fleetRate, originRateBytesPerSec: originRate },
    ...{ deadlineMs: deadline, quorumPercent: quorum, pinMs: pin, joinMs: join },
  }
}

/** A change as people and scripts write it. Throws `PREWARM_INVALID`. */
export function parsePrewarmPatch(request: unknown): PrewarmPatch {
  const { rate, fleetRate, originRate, deadline, quorum, pin, join, ...rest } = parse(patchSchema, request)
  return {
    ...rest,
    ...{ rateBytesPerSec: rate, fleetRateBytesPerSec: fleetRate, originRateBytesPerSec: originRate },
    ...{ deadlineMs: deadline, quorumPercent: quorum, pinMs: pin, joinMs: join },
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.join(', ') : undefined
  const path = unknown ?? issue?.path.join('.') ?? ''
  const what = unknown === undefined ? (issue?.message ?? 'is wrong') : 'is not known'
  throw new ShoalError('PREWARM_INVALID', `${path === '' ? 'the request' : path} ${what}`)
}
