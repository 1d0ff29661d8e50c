import { z } from 'zod'
import type { ErrorCode } from '../base/errors.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import { orderSchema } from '../trust/index.ts'
import { decodeJson, encodeJson, MAX_LETTER_BYTES } from './letters.ts'
import type { Shape } from './shapes.ts'
import {
  base64,
  count,
  jobId,
  planSchema,
  prewarmHostSchema,
  prewarmPlanViewSchema,
  prewarmViewSchema,
  region,
  surveySchema,
  text,
} from './shapes.ts'
import { patchSchema, specSchema } from './spec-shapes.ts'

/** Hosts told at once: they must fit into a letter whatever their names and reasons are. */
export const HOSTS_PER_PAGE = 500

/** Questions go up, to the caches that coordinate, or down, to regions and hosts. */
const QUESTIONS = {
  submit: { ask: z.object({ id: jobId, spec: specSchema, order: orderSchema.optional() }), answer: prewarmViewSchema },
  plan: { ask: z.object({ spec: specSchema }), answer: prewarmPlanViewSchema },
  list: { ask: z.object({}), answer: z.array(prewarmViewSchema).max(1024) },
  show: { ask: z.object({ id: jobId }), answer: prewarmViewSchema },
  edit: { ask: z.object({ id: jobId, patch: patchSchema, order: orderSchema.optional() }), answer: prewarmViewSchema },
  /** Of one region, from place `first` of the job's order on: each host's part, as many as fit. */
  hosts: {
    ask: z.object({ id: jobId, region, first: count }),
    answer: z.object({ hosts: z.array(prewarmHostSchema).max(HOSTS_PER_PAGE), more: z.boolean() }),
  },
  /** Of a region and those below it: what it could do for a plan. */
  survey: {
    /** `counts`: what hosts have already is wanted, too. */
    ask: z.object({ spec: specSchema, plan: planSchema, counts: z.boolean() }),
    answer: z.array(surveySchema).max(1024),
  },
  /** Of one host or cache: which of a plan's blobs it lacks (a bit each), how many bytes that is, what it could take. */
  need: {
    ask: z.object({ plan: planSchema }),
    answer: z.object({ missing: base64, missingBytes: count, freeBytes: count }),
  },
}

type Questions = typeof QUESTIONS
export type QuestionName = keyof Questions
export type Ask<N extends QuestionName> = Shape<Questions[N]['ask']>
export type Answer<N extends QuestionName> = Shape<Questions[N]['answer']>

/** A question with its way so far: after so many hosts it goes in a circle. */
export interface QuestionOf<N extends QuestionName> {
  readonly name: N
  readonly hops: number
  readonly ask: Ask<N>
}
export type Question = { [N in QuestionName]: QuestionOf<N> }[QuestionName]

const MAX_HOPS = 16

const head = z.object({
  // they are the keys of what they are taken from
  name: z.enum(Object.keys(QUESTIONS) as QuestionName[]),
  hops: z.int().min(0).max(MAX_HOPS),
  ask: z.unknown(),
})

/** What an answer may fail with: the codes that mean something to who asked. */
const FAILURES = ['PREWARM_INVALID', 'PREWARM_IMPOSSIBLE', 'PREWARM_UNKNOWN', 'ORDER_REQUIRED', 'UNAVAILABLE'] as const
const failureSchema = z.object({ failure: z.object({ code: z.enum(FAILURES), message: text }) })

export function encodeQuestion(question: QuestionOf<QuestionName>): Uint8Array {
  return encodeJson(question)
}

/** Undefined for what is no question of this version, or has gone too far. */
export function decodeQuestion(bytes: Uint8Array): Question | undefined {
  const known = decodeJson(bytes, head)
  if (known === undefined) return undefined
  const parsed = QUESTIONS[known.name].ask.safeParse(known.ask)
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
  const good = QUESTIONS[name].answer.safeParse(decodeJson(bytes, z.object({ value: z.unknown() }))?.value)
  // the schema is the one of this name
  if (good.success) return good.data as Answer<N>
  const bad = decodeJson(bytes, failureSchema)
  if (bad !== undefined) throw new ShoalError(bad.failure.code, bad.failure.message)
  throw new ShoalError('UNAVAILABLE', 'a cache of another version answers in a way this host does not understand')
}
