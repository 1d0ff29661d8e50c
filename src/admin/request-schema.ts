import { z } from 'zod'
import { LOG_LEVELS } from '../base/log.ts'
import { parseDurationMs, parseRateBytesPerSec } from '../base/quantity.ts'
import { orderSchema } from '../trust/index.ts'
import { HttpRefusal } from './json-error.ts'
import { READINESS_CONDITIONS } from './status.ts'

const MAX_REFERENCE_CHARS = 600

const rate = z.union([z.string().max(40), z.number()]).transform((value, context): number => {
  const bytesPerSec = parseRateBytesPerSec(value)
  if (bytesPerSec !== undefined) return bytesPerSec
  context.addIssue({
    code: 'custom',
    message: 'must be bytes per second, a number or text like "100MiB"; 0 = unlimited',
  })
  return z.NEVER
})

export const limitsPatchSchema = z.strictObject({
  upload: rate.optional(),
  download: rate.optional(),
  origin: rate.optional(),
  prewarm: rate.optional(),
})

const MAX_LOG_MS = 86_400_000

export const logPatchSchema = z.strictObject({
  level: z.enum(LOG_LEVELS),
  for: z
    .string()
    .max(40)
    .transform((value, context): number => {
      const ms = parseDurationMs(value)
      if (ms !== undefined && ms >= 1_000 && ms <= MAX_LOG_MS) return ms
      context.addIssue({ code: 'custom', message: 'must be a length of time from 1s to 24h, such as "10m"' })
      return z.NEVER
    })
    .prefault('10m'),
})

/** `?want=tier,origin,disk`: what a probe takes for a reason to be not ready. */
export const readinessSchema = z.object({
  want: z
    .string()
    .max(100)
    .default('')
    .transform((text) => text.split(',').filter((name) => name !== ''))
    .pipe(z.array(z.enum(READINESS_CONDITIONS))),
})

/** `?since=ID`: events after this one, of those that are remembered; default: all of them. */
export const eventsQuerySchema = z.object({ since: z.coerce.number().min(0).default(0) })

export const whyQuerySchema = z.object({ reference: z.string().min(1).max(MAX_REFERENCE_CHARS) })

/** `?image=REF&quorum=95%&hosts=20`: what a pipeline asks before it goes on. */
export const gateQuerySchema = z.object({
  image: z.string().min(1).max(MAX_REFERENCE_CHARS),
  quorum: z
    .string()
    .regex(/^\d{1,3}(\.\d+)?%?$/, { error: 'must be a percentage such as 95%' })
    .transform((text) => Number.parseFloat(text))
    .pipe(z.number().max(100, { error: 'must be at most 100%' }))
    .default(100),
  hosts: z.coerce.number().int().min(0).default(0),
})

export const invalidateSchema = z.strictObject({
  reference: z.string().min(1).max(MAX_REFERENCE_CHARS),
  order: orderSchema.optional(),
})

/** What an operator has signed, in place of the request itself. */
export const obeySchema = z.strictObject({ order: orderSchema })

/** Whether a body is that rather than the request itself. */
export function isOrder(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'order' in body
}

/** How many a purge may have is for who begins it to say. */
export const purgeSchema = z.strictObject({
  references: z.array(z.string().min(1).max(MAX_REFERENCE_CHARS)).min(1).max(1_000),
  repository: z.boolean().default(false),
  dryRun: z.boolean().default(false),
})

const MIN_PIN_MS = 1_000
const MAX_PIN_MS = 365 * 86_400_000
const DEFAULT_PIN = '24h'

const pinDuration = z
  .string()
  .max(40)
  .transform((value, context): number => {
    const ms = parseDurationMs(value)
    if (ms !== undefined && ms >= MIN_PIN_MS && ms <= MAX_PIN_MS) return ms
    context.addIssue({ code: 'custom', message: 'must be a length of time from 1s to 365d, such as "24h"' })
    return z.NEVER
  })

export const pinSchema = z.strictObject({
  reference: z.string().min(1).max(MAX_REFERENCE_CHARS),
  for: pinDuration.prefault(DEFAULT_PIN),
  platform: z.string().max(100).optional(),
})

export const verifySchema = z.strictObject({
  targets: z.array(z.string().min(1).max(MAX_REFERENCE_CHARS)).max(1_000).default([]),
})

export const unpinSchema = z.strictObject({ reference: z.string().min(1).max(MAX_REFERENCE_CHARS) })

/** A request's body as `schema` wants it; throws a refusal naming the first key that is wrong. */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const key = issue === undefined || issue.path.length === 0 ? 'the body' : issue.path.join('.')
  throw new HttpRefusal(400, 'BODY_INVALID', `${key}: ${issue?.message ?? 'is wrong'}`)
}
