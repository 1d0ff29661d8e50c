import { z } from 'zod'
import type { HostReport, JobRow, LoadRuntime, Plan, Tally } from './interface.ts'
import {
  count,
  epochMs,
  jobId,
  peerKey,
  planSchema,
  region,
  reportSchema,
  rowSchema,
  tallySchema,
  text,
} from './letter-types.ts'

/** What a host says of itself to its region's caches. */
export interface HostFacts {
  /** What people call it. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** What its store could still take, given all that it may evict. */
  readonly freeBytes: number
}

/** What a host is to do for a job; it keeps the newest. */
export interface Task {
  readonly job: string
  readonly revision: number
  /** `stopped`: whatever the job's end, nothing more is to be done. */
  readonly state: 'running' | 'paused' | 'stopped'
  readonly plan: Plan
  readonly rateBytesPerSec: number
  readonly pinUntilEpochMs: number | null
  readonly load: LoadRuntime | null
}

/** One-way, between a host and the caches of its region, and between caches. PREWARM.md says who sends which. */
export type Letter =
  | { readonly kind: 'host'; readonly facts: HostFacts }
  | { readonly kind: 'task'; readonly task: Task }
  | { readonly kind: 'report'; readonly job: string; readonly report: HostReport }
  | { readonly kind: 'row'; readonly row: JobRow }
  /** Hosts of a job in a region, in their order, from place `first` on. */
  | {
      readonly kind: 'roster'
      readonly job: string
      readonly first: number
      readonly hosts: readonly { readonly key: string; readonly name: string }[]
    }
  /** Of a region, to the caches of the region above; the ones below are passed on. */
  | { readonly kind: 'tally'; readonly job: string; readonly region: string; readonly tally: Tally }
  /** What one cache has read from origins for a job, to the others of its region. */
  | { readonly kind: 'fetched'; readonly job: string; readonly originBytes: number }

const MAX_LABELS = 64

const task: z.ZodType<Task> = z.object({
  job: jobId,
  revision: count,
  state: z.enum(['running', 'paused', 'stopped']),
  plan: planSchema,
  rateBytesPerSec: count,
  pinUntilEpochMs: epochMs.nullable(),
  load: z.enum(['docker', 'containerd']).nullable(),
})

const letter: z.ZodType<Letter> = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('host'),
    facts: z.object({
      name: text,
      labels: z.record(text, text).refine((labels) => Object.keys(labels).length <= MAX_LABELS),
      freeBytes: count,
    }),
  }),
  z.object({ kind: z.literal('task'), task }),
  z.object({ kind: z.literal('report'), job: jobId, report: reportSchema }),
  z.object({ kind: z.literal('row'), row: rowSchema }),
  z.object({
    kind: z.literal('roster'),
    job: jobId,
    first: count,
    hosts: z.array(z.object({ key: peerKey, name: text })).max(20_000),
  }),
  z.object({ kind: z.literal('tally'), job: jobId, region, tally: tallySchema }),
  z.object({ kind: z.literal('fetched'), job: jobId, originBytes: count }),
])

export const taskSchema = task

/** What the wire carries; a link that was sent more would end. */
export const MAX_LETTER_BYTES = 4 * 1024 * 1024

/** JSON as bytes; byte strings in it as base64. */
export function encodeJson(value: unknown): Uint8Array {
  return Buffer.from(
    JSON.stringify(value, (_key, inner: unknown) =>
      inner instanceof Uint8Array
        ? Buffer.from(inner.buffer, inner.byteOffset, inner.length).toString('base64')
        : inner,
    ),
  )
}

export function encodeLetter(value: Letter): Uint8Array {
  return encodeJson(value)
}

/** Undefined for whatever is no letter of this version. */
export function decodeLetter(bytes: Uint8Array): Letter | undefined {
  return decodeJson(bytes, letter)
}

/** Undefined for what is no JSON or does not fit. */
export function decodeJson<T>(bytes: Uint8Array, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString())).data
  } catch {
    return undefined
  }
}
