import { z } from 'zod'
import { parseDigest } from '../oci/digest.ts'
import { isRegistryHost, isRepositoryName, isTag } from '../oci/reference.ts'
import type {
  Amount,
  HostReport,
  JobRow,
  MovedBytes,
  Plan,
  PrewarmPatch,
  PrewarmSpec,
  ReasonGroup,
  RegionSurvey,
  Share,
  Tally,
} from './interface.ts'
import { HOST_STATES, JOB_STATES } from './interface.ts'

/* What letters and rows are made of. All of it is read by other hosts and by later versions: unknown keys are dropped. */

export const MAX_BLOBS = 16_384
const MAX_IMAGES = 64
const MAX_REGIONS = 1024
const MAX_TEXT = 1024

export const count = z.int().min(0)
export const epochMs = z.number().min(0)
export const text = z.string().max(MAX_TEXT)
export const jobId = z.string().regex(/^[a-z0-9-]{8,64}$/)
export const region = z.string().min(1).max(128)
export const peerKey = z.string().min(8).max(64)

export const digest = z
  .string()
  .max(160)
  .transform((value, context) => {
    const parsed = parseDigest(value)
    if (parsed === undefined) context.addIssue({ code: 'custom', message: 'not a digest' })
    return parsed ?? z.NEVER
  })

/** Bytes in JSON. */
export const base64 = z
  .string()
  .max(MAX_BLOBS)
  .transform((value): Uint8Array => Buffer.from(value, 'base64'))

const amount: z.ZodType<Amount> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('count'), count }),
  z.object({ kind: z.literal('percent'), percent: z.number().min(0).max(100) }),
])

const load = z.enum(['docker', 'containerd']).nullable()

const common = {
  waves: z.array(amount).min(1).max(128),
  maxHosts: count,
  rateBytesPerSec: count,
  fleetRateBytesPerSec: count,
  originRateBytesPerSec: count,
  deadlineMs: epochMs,
  quorumPercent: z.number().min(0).max(100),
  failureBudget: amount,
  pinMs: epochMs,
  joinMs: epochMs,
}

export const specSchema: z.ZodType<PrewarmSpec> = z.object({
  images: z.array(text).min(1).max(MAX_IMAGES),
  regions: z.array(region).max(MAX_REGIONS),
  select: z.record(text, text),
  hosts: amount.nullable(),
  platforms: z.array(text).max(64),
  load,
  ...common,
})

export const patchSchema: z.ZodType<PrewarmPatch> = z
  .object({ state: z.enum(['running', 'paused', 'cancelled']), ...common })
  .partial()

export const planSchema: z.ZodType<Plan> = z.object({
  images: z
    .array(
      z.object({
        reference: text,
        upstream: z.string().refine(isRegistryHost),
        repository: z.string().refine(isRepositoryName),
        tag: z.string().refine(isTag).nullable(),
        digest,
        manifests: z.array(digest).min(1).max(1024),
        bytes: count,
      }),
    )
    .min(1)
    .max(MAX_IMAGES),
  blobs: z
    .array(
      z.object({
        digest,
        size: count,
        image: z
          .int()
          .min(0)
          .max(MAX_IMAGES - 1),
      }),
    )
    .max(MAX_BLOBS),
  bytes: count,
})

const share: z.ZodType<Share> = z.object({
  select: count.nullable(),
  open: count.nullable(),
  maxHosts: count,
  rateBytesPerSec: count,
  originRateBytesPerSec: count,
})

export const rowSchema: z.ZodType<JobRow> = z.object({
  id: jobId,
  root: region,
  spec: specSchema,
  plan: planSchema,
  createdEpochMs: epochMs,
  revision: count,
  changedEpochMs: epochMs,
  taskRevision: count,
  state: z.enum(JOB_STATES),
  reason: text.nullable(),
  endedEpochMs: epochMs.nullable(),
  wave: count,
  shares: z.record(region, share),
})

export const moved: z.ZodType<MovedBytes> = z.object({ peer: count, home: count, parent: count, origin: count })

export const reportSchema: z.ZodType<HostReport> = z.object({
  revision: count,
  state: z.enum(HOST_STATES),
  haveBytes: count,
  moved,
  blobs: base64,
  reason: text.optional(),
})

const reasonGroup: z.ZodType<ReasonGroup> = z.object({
  state: z.enum(['failed', 'skipped']),
  reason: text,
  count,
  hosts: z.array(text).max(16),
})

export const hostCounts = z.object({
  waiting: count,
  moving: count,
  loading: count,
  ready: count,
  failed: count,
  skipped: count,
})

export const tallySchema: z.ZodType<Tally> = z.object({
  selected: count,
  begun: count,
  hosts: hostCounts,
  haveBytes: count,
  moved,
  originBytes: count,
  reasons: z.array(reasonGroup).max(64),
})

export const surveySchema: z.ZodType<RegionSurvey> = z.object({
  region,
  hosts: count,
  matching: count,
  withoutRoom: count,
  roomless: z.array(text).max(64),
  missingBytes: count,
})

export const reasonGroups = z.array(reasonGroup).max(256)
