import { z } from 'zod'
import type { Shape } from '../base/shape.ts'
import { digestSchema, repositorySchema, tagSchema, upstreamSchema } from '../oci/schema.ts'
import { count, epochMs, orderId, region, text } from '../orders/index.ts'
import { orderSchema } from '../trust/index.ts'
import { MAX_IMAGES, specSchema } from './spec-shapes.ts'

/*
 * What jobs, messages and answers are made of: each shape once, as the schema that reads it; interface.ts names the types.
 * All of it is read by other hosts and by later versions: unknown keys are dropped. Numbers of bytes are whole, rates are
 * bytes per second with 0 = unlimited, times are epoch milliseconds.
 */

export const JOB_STATES = ['running', 'paused', 'done', 'failed', 'cancelled'] as const
export const HOST_STATES = ['waiting', 'moving', 'loading', 'ready', 'failed', 'skipped'] as const

export const MAX_BLOBS = 16_384
const MAX_REGIONS = 1024
/** One that began the job, and one for each part that may be changed. */
const MAX_ORDERS = 32

export const jobId = orderId

/** Whether a text could be the id of a job. */
export function isJobId(id: string): boolean {
  return jobId.safeParse(id).success
}

/** Bytes in JSON. */
export const base64 = z
  .string()
  .max(MAX_BLOBS)
  .transform((value): Uint8Array => Buffer.from(value, 'base64'))

/** An image of a job, its tag resolved for good. */
const plannedImage = z.object({
  /** For people. */
  reference: text,
  upstream: upstreamSchema,
  repository: repositorySchema,
  tag: tagSchema.nullable(),
  /** What the reference resolved to: an index or a manifest. */
  digest: digestSchema,
  /** The manifests a host fetches, parents first; the first is `digest`. */
  manifests: z.array(digestSchema).min(1).max(1024),
  /** Of its config and layers, for the chosen platforms. */
  bytes: count,
})

/** Something to move, once however many images have it. */
const plannedBlob = z.object({
  digest: digestSchema,
  size: count,
  /** Index into the plan's images: in whose name it is fetched. */
  image: count.max(MAX_IMAGES - 1),
})

export const planSchema = z.object({
  images: z.array(plannedImage).min(1).max(MAX_IMAGES),
  blobs: z.array(plannedBlob).max(MAX_BLOBS),
  /** What one host needs. */
  bytes: count,
})

const imageView = z.object({ reference: text, digest: text, bytes: count })

/** What is kept in memory of a plan, whose blobs may be thousands: those are on the disk. */
const planSummary = z.object({
  images: z.array(imageView).max(MAX_IMAGES),
  /** How many. */
  blobs: count,
  bytes: count,
})

/** Bytes by where a host got them. */
export const moved = z.object({ peer: count, home: count, parent: count, origin: count })

export const MOVED_NOTHING: Shape<typeof moved> = { peer: 0, home: 0, parent: 0, origin: 0 }

/** What a host says of its part in a job: absolute numbers, so that a report may be lost or come twice. */
export const reportSchema = z.object({
  revision: count,
  state: z.enum(HOST_STATES),
  haveBytes: count,
  moved,
  /** Which of the plan's blobs are complete: bit i of byte i / 8. */
  blobs: base64,
  /** Why it failed, was skipped, or waits. */
  reason: text.optional(),
})

/** Hosts that failed, were skipped or wait for the same reason. */
export const reasonGroup = z.object({
  state: z.enum(['failed', 'skipped', 'waiting']),
  reason: text,
  count,
  /** Some of them by name. */
  hosts: z.array(text).max(16),
})

const hostCounts = z.object({
  waiting: count,
  moving: count,
  loading: count,
  ready: count,
  failed: count,
  skipped: count,
})

/** What a region says of its part in a job. */
export const tallySchema = z.object({
  /** Hosts that take part. */
  selected: count,
  /** Of these, hosts that have been told to begin. */
  begun: count,
  hosts: hostCounts,
  /** Of those skipped, hosts that have never answered: who they are is only their own word. */
  setAside: count.default(0),
  haveBytes: count,
  /** Of it, what hosts hold that are skipped. */
  skippedBytes: count.default(0),
  moved,
  /** What the region's caches read from origins for this job. */
  originBytes: count,
  reasons: z.array(reasonGroup).max(64),
  /** Until the slowest of those at work has all; null when that cannot be told. */
  slowestSeconds: z.number().min(0).nullable().default(null),
})

/** A region's share of a job. */
export const share = z.object({
  /** Hosts that take part at most; null = all that match. */
  select: count.nullable(),
  /** Hosts that may have begun; null = all that take part. */
  open: count.nullable(),
  maxHosts: count,
  rateBytesPerSec: count,
  originRateBytesPerSec: count,
  /** Hosts that the region had when the job was planned: what is told of it until it says more. */
  planned: count.optional(),
})

/** A job as caches keep it: the one with the higher revision counts. */
export const rowSchema = z.object({
  id: jobId,
  /** The region whose caches coordinate it. */
  root: region,
  spec: specSchema,
  /** Who had it begun and changed to what it is: the first order began it. */
  orders: z.array(orderSchema).min(1).max(MAX_ORDERS),
  /** When the last order was given: older ones are not obeyed. */
  orderedEpochMs: epochMs,
  plan: planSummary,
  createdEpochMs: epochMs,
  revision: count,
  changedEpochMs: epochMs,
  /** The revision that last changed what hosts are told. */
  taskRevision: count,
  state: z.enum(JOB_STATES),
  reason: text.nullable(),
  endedEpochMs: epochMs.nullable(),
  /** The wave that is open, from 0. */
  wave: count,
  /** By region; regions that are not here take no part. */
  shares: z.record(region, share).refine((shares) => Object.keys(shares).length <= MAX_REGIONS),
  /** Regions that were to take part and did not answer. */
  absent: z.array(region).max(MAX_REGIONS).default([]),
})

/** A job as caches tell each other: with its whole plan. */
export const toldRowSchema = rowSchema.extend({ plan: planSchema })

/** What one region could do for a plan. */
export const capacitySchema = z.object({
  region,
  /** Hosts known. */
  hosts: count,
  /** Hosts that match the selectors. */
  matching: count,
  /** Of these, hosts without room for what they lack. */
  withoutRoom: count,
  /** Some of these by name. */
  roomless: z.array(text).max(64),
  /** What the region's caches lack of the plan. */
  missingBytes: count,
  /** What the hosts that match lack, together, at most: a host that was not asked is taken to have nothing. */
  hostsLackBytes: count,
  /** No cache of it answers, and what is in here is nothing. */
  absent: z.boolean(),
})

const countsView = hostCounts.extend({ total: count })

const regionView = z.object({
  region,
  hosts: countsView,
  haveBytes: count,
  totalBytes: count,
  movedBytes: moved,
  originBytes: count,
})

/** A job as it is told, by caches, servers and commands. */
export const prewarmViewSchema = z.object({
  id: jobId,
  state: z.enum(JOB_STATES),
  reason: text.nullable(),
  images: z.array(imageView).max(MAX_IMAGES),
  hosts: countsView,
  bytes: z.object({
    /** What one host needs. */
    perHost: count,
    /** What all hosts need together; of those that are skipped, what they have. */
    total: count,
    /** What they have of it, wherever it came from: only grows. */
    have: count,
    /** What they received for it. */
    moved: count,
    /** What caches and hosts read from origins for it. */
    origin: count,
  }),
  bytesPerSec: z.number().min(0),
  etaSeconds: z.number().min(0).nullable(),
  seconds: z.number().min(0),
  createdEpochMs: epochMs,
  endedEpochMs: epochMs.nullable(),
  /** From 1; `open` hosts may have begun. */
  wave: z.object({ number: count, of: count, open: count }),
  regions: z.array(regionView).max(MAX_REGIONS),
  reasons: z.array(reasonGroup).max(256),
  /** Regions that were to take part and did not answer when the job began, or since. */
  absent: z.array(region).max(MAX_REGIONS),
  spec: specSchema,
  revision: count,
  orderedEpochMs: epochMs.default(0),
})

/** What a job would do. */
export const prewarmPlanViewSchema = z.object({
  state: z.literal('planned'),
  images: z.array(imageView).max(MAX_IMAGES),
  blobs: count,
  bytes: z.object({
    perHost: count,
    /** What the hosts hold of it when the job has ended. */
    total: count,
    /** What they lack now, at most. */
    lacking: count,
    /** What has to come from origins, at most: regions take from those above them. */
    missing: count,
  }),
  hosts: z.object({ total: count, withoutRoom: count, roomless: z.array(text).max(64) }),
  waves: z.array(count).max(256),
  regions: z.array(capacitySchema).max(MAX_REGIONS),
  /** Regions of the fleet that do not answer now, and would not take part. */
  absent: z.array(region).max(MAX_REGIONS),
  /** Null when no rate bounds it: then it is the network that does. */
  leastSeconds: z.number().nullable(),
})

/** One host's part in a job. */
export const prewarmHostSchema = z.object({
  key: text,
  name: text,
  region,
  state: z.enum(HOST_STATES),
  haveBytes: count,
  totalBytes: count,
  movedBytes: moved,
  blobsDone: count,
  reason: text.nullable(),
  /** When it began and ended; null before, and where this cache was not there. */
  startedEpochMs: epochMs.nullable().default(null),
  endedEpochMs: epochMs.nullable().default(null),
  /** What it receives now; of one that has ended what it received over all of its time. */
  bytesPerSec: z.number().min(0).default(0),
})
