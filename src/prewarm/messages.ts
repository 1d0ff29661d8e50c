import { z } from 'zod'
import type { Shape } from '../base/shape.ts'
import type { MessageOf } from '../orders/index.ts'
import { count, epochMs, MAX_MESSAGE_BYTES, peerKey, region, SHORT_BYTES, text } from '../orders/index.ts'
import { scheduleRowSchema } from './schedule.ts'
import { jobId, planSchema, reportSchema, tallySchema, toldRowSchema } from './shapes.ts'
import { priority, rateBytesPerSec, runtime } from './spec-shapes.ts'

const MAX_LABELS = 64
const MAX_NAME_CHARS = 255
/** As the configuration has them. */
const labelText = z.string().max(63)

/** What a host says of itself to its region's caches. */
const factsSchema = z.object({
  /** What people call it. */
  name: text.max(MAX_NAME_CHARS),
  labels: z.record(labelText, labelText).refine((labels) => Object.keys(labels).length <= MAX_LABELS),
  /** What its store could still take, given all that it may evict. */
  freeBytes: count,
})
export type HostFacts = Shape<typeof factsSchema>

/** What a host is to do for a job; it keeps the newest. */
export const taskSchema = z.object({
  job: jobId,
  revision: count,
  /** `stopped`: whatever the job's end, nothing more is to be done. */
  state: z.enum(['running', 'paused', 'stopped']),
  plan: planSchema,
  /** When the plan's tags were resolved; 0, of a version that did not say: all else that is known of a tag is newer. */
  resolvedEpochMs: epochMs.default(0),
  rateBytesPerSec,
  /** 0, of a version that had none. */
  priority: priority.default(0),
  pinUntilEpochMs: epochMs.nullable(),
  load: runtime.nullable(),
})
export type Task = Shape<typeof taskSchema>

const hosts = z.array(z.object({ key: peerKey, name: text })).max(20_000)

/**
 * One-way, between a host and the caches of its region, and between caches: from whom each is taken, how long it may be, and
 * what it says. PREWARM.md says who sends which.
 */
export const PREWARM_MESSAGES = {
  host: { from: 'near', maxBytes: 8 * 1024, body: z.object({ facts: factsSchema }) },
  task: { from: 'nearCache', maxBytes: MAX_MESSAGE_BYTES, body: z.object({ task: taskSchema }) },
  report: { from: 'near', maxBytes: 32 * 1024, body: z.object({ job: jobId, report: reportSchema }) },
  /** May this host go on with the job? */
  checkIn: { from: 'near', maxBytes: SHORT_BYTES, body: z.object({ job: jobId }) },
  /** The answer; without being asked, to a host that is at work for a job that is over or that nobody knows. */
  standing: { from: 'nearCache', maxBytes: SHORT_BYTES, body: z.object({ job: jobId, runs: z.boolean() }) },
  row: { from: 'upperCache', maxBytes: MAX_MESSAGE_BYTES, body: z.object({ row: toldRowSchema }) },
  /** Hosts of a job in a region, in their order, from place `first` on. */
  roster: { from: 'nearCache', maxBytes: MAX_MESSAGE_BYTES, body: z.object({ job: jobId, first: count, hosts }) },
  /** Of a region, to the caches of the region above, who pass on those of the regions below. */
  tally: { from: 'cache', maxBytes: MAX_MESSAGE_BYTES, body: z.object({ job: jobId, region, tally: tallySchema }) },
  /** A schedule, to the other caches of the region. */
  schedule: { from: 'nearCache', maxBytes: MAX_MESSAGE_BYTES, body: z.object({ row: scheduleRowSchema }) },
  /** What one cache has read from origins for a job, to the others of its region. */
  fetched: { from: 'nearCache', maxBytes: SHORT_BYTES, body: z.object({ job: jobId, originBytes: count }) },
} as const

export type PrewarmMessages = typeof PREWARM_MESSAGES
export type PrewarmMessage = MessageOf<PrewarmMessages>
