import { z } from 'zod'
import { LOG_LEVELS } from '../base/log.ts'
import type { Shape } from '../base/shape.ts'
import type { PinView } from '../pins/index.ts'

/*
 * The admin API as a client reads it, beside what a host says of itself (status.ts). Unknown keys are let through: an older command may talk to a newer agent.
 */

/** Rates in bytes per second; 0 = unlimited. */
export const limitsSchema = z.object({
  upload: z.number(),
  download: z.number(),
  origin: z.number(),
  prewarm: z.number(),
})
export type Limits = Shape<typeof limitsSchema>

/** What the process logs. */
export const logSchema = z.object({
  /** In force now. */
  level: z.enum(LOG_LEVELS),
  configured: z.enum(LOG_LEVELS),
  /** When the configured one holds again; null = it does. */
  untilEpochMs: z.number().nullable(),
})
export type LogView = Shape<typeof logSchema>

export const pinSchema: z.ZodType<PinView> = z.object({
  reference: z.string(),
  job: z.string().nullable(),
  digest: z.string(),
  untilEpochMs: z.number(),
  blobs: z.number(),
  bytes: z.number(),
  presentBytes: z.number(),
})
export const pinsSchema = z.object({ pins: z.array(pinSchema) })
const counted = z.object({ total: z.number(), checked: z.number() })
/** A blob that a verification found damaged, and dropped. */
const damage = z.object({
  digest: z.string(),
  sizeBytes: z.number(),
  /** Which pieces; none when it was dropped as a whole. */
  pieces: z.array(z.number()),
  /** Whether it has been fetched again by now. */
  wholeAgain: z.boolean(),
})
export type VerifiedDamage = Shape<typeof damage>
/** A comparison of stored blobs with what they must be. */
export const verifyViewSchema = z.object({
  state: z.enum(['running', 'done', 'stopped']),
  startedEpochMs: z.number(),
  blobs: counted,
  bytes: counted,
  damaged: z.array(damage),
  /** Digests that were asked for and are not here. */
  absent: z.array(z.string()),
})
export type VerifyView = Shape<typeof verifyViewSchema>

/** Where a browser may look, once, within this many seconds. */
export const pageLinkSchema = z.object({ path: z.string(), seconds: z.number() })
export const unpinnedSchema = z.object({ reference: z.string(), unpinned: z.boolean() })
export const invalidatedSchema = z.object({
  reference: z.string(),
  digest: z.string().nullable(),
  /** Absent from older agents, which always asked the caches. */
  everywhere: z.boolean().default(true),
})
export const apiErrorSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), socket: z.string().optional() }),
})

/** What was asked about an image, now: the digest, or why there is none. */
const whyPart = z.object({
  who: z.string(),
  /** This host is home itself: what the origin says is what it would answer. */
  isSelf: z.boolean(),
  digest: z.string().nullable(),
  refusal: z.object({ reason: z.string(), message: z.string() }).nullable(),
  seconds: z.number(),
})
export type WhyPart = Shape<typeof whyPart>
/** `troubles`: what ails origins of the upstream, with what to do. */
const whyOrigin = whyPart.extend({
  troubles: z.array(z.object({ origin: z.string(), state: z.string(), message: z.string(), remedy: z.string() })),
})
export type WhyOrigin = Shape<typeof whyOrigin>

/** What this host, its home and the origin say about one image. */
export const whySchema = z.object({
  reference: z.string(),
  /** `access` is null where no upstream has this name; then nobody is asked. */
  upstream: z.object({ name: z.string(), access: z.string().nullable() }),
  upstreams: z.array(z.string()),
  tier: z.string(),
  here: z.object({
    /** What the tag pointed to when it was confirmed last. */
    digest: z.string().nullable(),
    ageSeconds: z.number().nullable(),
    /** Whether whoever is home for it serves it without asking. */
    fresh: z.boolean().nullable(),
    manifest: z.boolean(),
    blobs: z.number(),
    presentBlobs: z.number(),
  }),
  home: whyPart.nullable(),
  origin: whyOrigin.nullable(),
  /** Pulls and refusals of the image, as events have them, the last ones. */
  recent: z.array(z.looseObject({ kind: z.string(), epochMs: z.number() })),
})
export type WhyView = Shape<typeof whySchema>

export const gateSchema = z.object({
  image: z.string(),
  open: z.boolean(),
  final: z.boolean(),
  job: z.string().nullable(),
  ready: z.number(),
  needed: z.number(),
  reason: z.string(),
})
