import { z } from 'zod'
import type { TableCodec } from '../store/index.ts'
import type { Shape } from './shapes.ts'
import {
  count,
  epochMs,
  jobId,
  peerKey,
  planSchema,
  region,
  reportSchema,
  tallySchema,
  text,
  toldRowSchema,
} from './shapes.ts'
import { rateBytesPerSec, runtime } from './spec-shapes.ts'

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
  pinUntilEpochMs: epochMs.nullable(),
  load: runtime.nullable(),
})
export type Task = Shape<typeof taskSchema>

/** One-way, between a host and the caches of its region, and between caches. PREWARM.md says who sends which. */
const letterSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('host'), facts: factsSchema }),
  z.object({ kind: z.literal('task'), task: taskSchema }),
  z.object({ kind: z.literal('report'), job: jobId, report: reportSchema }),
  /** May this host go on with the job? */
  z.object({ kind: z.literal('checkIn'), job: jobId }),
  /** The answer; without being asked, to a host that is at work for a job that is over or that nobody knows. */
  z.object({ kind: z.literal('standing'), job: jobId, runs: z.boolean() }),
  z.object({ kind: z.literal('row'), row: toldRowSchema }),
  /** Hosts of a job in a region, in their order, from place `first` on. */
  z.object({
    kind: z.literal('roster'),
    job: jobId,
    first: count,
    hosts: z.array(z.object({ key: peerKey, name: text })).max(20_000),
  }),
  /** Of a region, to the caches of the region above, who pass on those of the regions below. */
  z.object({ kind: z.literal('tally'), job: jobId, region, tally: tallySchema }),
  /** What one cache has read from origins for a job, to the others of its region. */
  z.object({ kind: z.literal('fetched'), job: jobId, originBytes: count }),
])
export type Letter = Shape<typeof letterSchema>

/** What the wire carries; a link that was sent more would end. */
export const MAX_LETTER_BYTES = 4 * 1024 * 1024

/** JSON as bytes; byte strings in it as base64. */
export function encodeJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value, bytesAsBase64))
}

/** Looks at what is there, not at what it is given: a Buffer has become an object of numbers by then. */
function bytesAsBase64(this: Record<string, unknown>, key: string, inner: unknown): unknown {
  const value = this[key]
  if (!(value instanceof Uint8Array)) return inner
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
}

export function encodeLetter(value: Letter): Uint8Array {
  return encodeJson(value)
}

/** Undefined for whatever is no letter of this version. */
export function decodeLetter(bytes: Uint8Array): Letter | undefined {
  return decodeJson(bytes, letterSchema)
}

/** Undefined for what is no JSON or does not fit. */
export function decodeJson<T>(bytes: Uint8Array, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString())).data
  } catch {
    return undefined
  }
}

export function jsonCodec<T>(schema: z.ZodType<T>): TableCodec<T> {
  return { encode: encodeJson, decode: (bytes) => decodeJson(bytes, schema) }
}
