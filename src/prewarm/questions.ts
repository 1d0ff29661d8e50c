import { z } from 'zod'
import type { ErrorCode } from '../base/errors.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type {
  HostView,
  Plan,
  PrewarmPatch,
  PrewarmPlanView,
  PrewarmSpec,
  PrewarmView,
  RegionSurvey,
} from './interface.ts'
import { HOST_STATES, JOB_STATES } from './interface.ts'
import {
  base64,
  count,
  epochMs,
  hostCounts,
  jobId,
  moved,
  patchSchema,
  planSchema,
  reasonGroups,
  region,
  specSchema,
  surveySchema,
  text,
} from './letter-types.ts'
import { decodeJson, encodeJson, MAX_LETTER_BYTES } from './letters.ts'

/** Questions go up, to the caches that coordinate, or down, to regions and hosts. */
export interface Questions {
  readonly submit: { readonly ask: { readonly id: string; readonly spec: PrewarmSpec }; readonly answer: PrewarmView }
  readonly plan: { readonly ask: { readonly spec: PrewarmSpec }; readonly answer: PrewarmPlanView }
  readonly list: { readonly ask: Record<never, never>; readonly answer: readonly PrewarmView[] }
  readonly show: { readonly ask: { readonly id: string }; readonly answer: PrewarmView }
  readonly edit: { readonly ask: { readonly id: string; readonly patch: PrewarmPatch }; readonly answer: PrewarmView }
  /** Of a region and those below it: each host's part. */
  readonly hosts: { readonly ask: { readonly id: string }; readonly answer: readonly HostView[] }
  /** Of a region and those below it: what it could do for a plan. */
  readonly survey: {
    readonly ask: { readonly spec: PrewarmSpec; readonly plan: Plan }
    readonly answer: readonly RegionSurvey[]
  }
  /** Of one host or cache: which of a plan's blobs it lacks (a bit each), how many bytes that is, what it could take. */
  readonly need: {
    readonly ask: { readonly plan: Plan }
    readonly answer: { readonly missing: Uint8Array; readonly missingBytes: number; readonly freeBytes: number }
  }
}

export type QuestionName = keyof Questions
export type Ask<N extends QuestionName> = Questions[N]['ask']
export type Answer<N extends QuestionName> = Questions[N]['answer']

/** A question with its way so far: after so many hosts it goes in a circle. */
export type Question = {
  [N in QuestionName]: { readonly name: N; readonly hops: number; readonly ask: Ask<N> }
}[QuestionName]

const MAX_HOPS = 16

const counted = hostCounts.extend({ total: count })

const view: z.ZodType<PrewarmView> = z.object({
  id: jobId,
  state: z.enum([...JOB_STATES, 'planned']),
  reason: text.nullable(),
  images: z.array(z.object({ reference: text, digest: text, bytes: count })).max(64),
  hosts: counted,
  bytes: z.object({ perHost: count, total: count, have: count, moved: count, origin: count }),
  bytesPerSec: z.number().min(0),
  etaSeconds: z.number().min(0).nullable(),
  seconds: z.number().min(0),
  createdEpochMs: epochMs,
  endedEpochMs: epochMs.nullable(),
  wave: z.object({ number: count, of: count, open: count }),
  regions: z
    .array(
      z.object({
        region,
        hosts: counted,
        haveBytes: count,
        totalBytes: count,
        movedBytes: moved,
        originBytes: count,
      }),
    )
    .max(1024),
  reasons: reasonGroups,
  spec: specSchema,
  revision: count,
})

const planView: z.ZodType<PrewarmPlanView> = z.object({
  state: z.literal('planned'),
  images: z.array(z.object({ reference: text, digest: text, bytes: count })).max(64),
  blobs: count,
  bytes: z.object({ perHost: count, total: count, missing: count }),
  hosts: z.object({ total: count, withoutRoom: count, roomless: z.array(text).max(64) }),
  waves: z.array(count).max(256),
  regions: z.array(surveySchema).max(1024),
  leastSeconds: z.number().nullable(),
})

const hostView: z.ZodType<HostView> = z.object({
  key: text,
  name: text,
  region,
  state: z.enum(HOST_STATES),
  haveBytes: count,
  totalBytes: count,
  movedBytes: moved,
  blobsDone: count,
  reason: text.nullable(),
})

const asks: { readonly [N in QuestionName]: z.ZodType<Ask<N>> } = {
  submit: z.object({ id: jobId, spec: specSchema }),
  plan: z.object({ spec: specSchema }),
  list: z.object({}),
  show: z.object({ id: jobId }),
  edit: z.object({ id: jobId, patch: patchSchema }),
  hosts: z.object({ id: jobId }),
  survey: z.object({ spec: specSchema, plan: planSchema }),
  need: z.object({ plan: planSchema }),
}

export const answers: { readonly [N in QuestionName]: z.ZodType<Answer<N>> } = {
  submit: view,
  plan: planView,
  list: z.array(view).max(1024),
  show: view,
  edit: view,
  hosts: z.array(hostView).max(100_000),
  survey: z.array(surveySchema).max(1024),
  need: z.object({ missing: base64, missingBytes: count, freeBytes: count }),
}

const head = z.object({
  name: z.enum(['submit', 'plan', 'list', 'show', 'edit', 'hosts', 'survey', 'need']),
  hops: z.int().min(0).max(MAX_HOPS),
  ask: z.unknown(),
})

/** What an answer may fail with: the codes that mean something to who asked. */
const FAILURES = [
  'PREWARM_INVALID',
  'PREWARM_IMPOSSIBLE',
  'PREWARM_UNKNOWN',
  'REFERENCE_INVALID',
  'UNAVAILABLE',
] as const
const failureSchema = z.object({ failure: z.object({ code: z.enum(FAILURES), message: text }) })

export function encodeQuestion(question: Question): Uint8Array {
  return encodeJson(question)
}

/** Undefined for what is no question of this version, or has gone too far. */
export function decodeQuestion(bytes: Uint8Array): Question | undefined {
  const known = decodeJson(bytes, head)
  if (known === undefined) return undefined
  const parsed = asks[known.name].safeParse(known.ask)
  // the schema is the one of this name
  return parsed.success ? ({ ...known, ask: parsed.data } as Question) : undefined
}

/** An answer, or the failure in its place. */
export function encodeAnswer(answer: { readonly value: unknown } | { readonly error: unknown }): Uint8Array {
  if ('value' in answer) {
    const bytes = encodeJson({ value: answer.value })
    if (bytes.length <= MAX_LETTER_BYTES) return bytes
    return encodeAnswer({ error: new ShoalError('UNAVAILABLE', 'the answer is too large to be sent') })
  }
  const { error } = answer
  const code: ErrorCode = isShoalError(error, ...FAILURES) ? error.code : 'UNAVAILABLE'
  return encodeJson({ failure: { code, message: errorText(error).slice(0, 1000) } })
}

/** Throws the failure in it, or `UNAVAILABLE` when it is no answer to such a question. */
export function decodeAnswer<N extends QuestionName>(name: N, bytes: Uint8Array): Answer<N> {
  const good = answers[name].safeParse(decodeJson(bytes, z.object({ value: z.unknown() }))?.value)
  if (good.success) return good.data
  const bad = decodeJson(bytes, failureSchema)
  if (bad !== undefined) throw new ShoalError(bad.failure.code, bad.failure.message)
  throw new ShoalError('UNAVAILABLE', 'a cache of another version answers in a way this host does not understand')
}
