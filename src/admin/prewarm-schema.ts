import { z } from 'zod'

/*
 * Prewarm jobs as a client of the admin API reads them. Unknown keys are let through: an older command may talk to a
 * newer agent.
 */

const hosts = z.object({
  total: z.number(),
  waiting: z.number(),
  moving: z.number(),
  loading: z.number(),
  ready: z.number(),
  failed: z.number(),
  skipped: z.number(),
})
const movedBytes = z.object({ peer: z.number(), home: z.number(), parent: z.number(), origin: z.number() })
const images = z.array(z.object({ reference: z.string(), digest: z.string(), bytes: z.number() })).readonly()
const reason = z.object({
  state: z.string(),
  reason: z.string(),
  count: z.number(),
  hosts: z.array(z.string()).readonly(),
})

export const prewarmJobSchema = z.object({
  id: z.string(),
  /** running, paused, done, failed or cancelled. */
  state: z.string(),
  /** Why it ended so. */
  reason: z.string().nullable(),
  images,
  hosts,
  /** What one host needs; what all that are not skipped need, have, received; what was read from origins. */
  bytes: z.object({
    perHost: z.number(),
    total: z.number(),
    have: z.number(),
    moved: z.number(),
    origin: z.number(),
  }),
  bytesPerSec: z.number(),
  etaSeconds: z.number().nullable(),
  seconds: z.number(),
  createdEpochMs: z.number(),
  endedEpochMs: z.number().nullable(),
  wave: z.object({ number: z.number(), of: z.number(), open: z.number() }),
  regions: z
    .array(
      z.object({
        region: z.string(),
        hosts,
        haveBytes: z.number(),
        totalBytes: z.number(),
        movedBytes,
        originBytes: z.number(),
      }),
    )
    .readonly(),
  reasons: z.array(reason).readonly(),
})
export type PrewarmJob = Readonly<z.infer<typeof prewarmJobSchema>>

export const prewarmPlanSchema = z.object({
  state: z.literal('planned'),
  images,
  blobs: z.number(),
  bytes: z.object({ perHost: z.number(), total: z.number(), missing: z.number() }),
  hosts: z.object({ total: z.number(), withoutRoom: z.number(), roomless: z.array(z.string()).readonly() }),
  waves: z.array(z.number()).readonly(),
  regions: z
    .array(
      z.object({
        region: z.string(),
        hosts: z.number(),
        matching: z.number(),
        withoutRoom: z.number(),
        roomless: z.array(z.string()).readonly(),
        missingBytes: z.number(),
      }),
    )
    .readonly(),
  leastSeconds: z.number().nullable(),
})
export type PrewarmPlan = Readonly<z.infer<typeof prewarmPlanSchema>>

export const prewarmHostSchema = z.object({
  key: z.string(),
  name: z.string(),
  region: z.string(),
  state: z.string(),
  haveBytes: z.number(),
  totalBytes: z.number(),
  movedBytes,
  blobsDone: z.number(),
  reason: z.string().nullable(),
})
export type PrewarmHost = Readonly<z.infer<typeof prewarmHostSchema>>

export const prewarmJobsSchema = z.object({ jobs: z.array(prewarmJobSchema) })
export const prewarmHostsSchema = z.object({ hosts: z.array(prewarmHostSchema) })
