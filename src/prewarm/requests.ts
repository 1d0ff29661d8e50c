import { z } from 'zod'
import type { ErrorCode } from '../base/errors.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import { encodeJson } from '../base/json.ts'
import type { Shape } from '../base/shape.ts'
import { orderSchema } from '../trust/index.ts'
import type { Right } from './message-rights.ts'
import { decodeJson, MAX_MESSAGE_BYTES, ORDER_BYTES, SHORT } from './messages.ts'
import { MAX_PURGES, purgeCountsSchema, purgeViewSchema } from './purge.ts'
import { scheduleViewSchema } from './schedule.ts'
import {
  base64,
  capacitySchema,
  count,
  jobId,
  planSchema,
  prewarmHostSchema,
  prewarmPlanViewSchema,
  prewarmViewSchema,
  region,
  text,
} from './shapes.ts'
import { specSchema } from './spec-shapes.ts'

/** Hosts told at once: they must fit into a message whatever their names and reasons are. */
export const HOSTS_PER_PAGE = 500

/** What the order says, again, for versions that know no orders: it is not read, only its order counts. */
const besideOrder = z.unknown()

/**
 * Requests go up, to the caches that coordinate, or down, to regions and hosts: from whom each is taken, how long it may be,
 * what it asks and what it is answered with. What acts on the fleet (`submit`, `edit`) is anybody's to pass on: an operator's
 * order must be in it.
 */
export const PREWARM_REQUESTS = {
  submit: {
    from: 'member',
    maxBytes: ORDER_BYTES,
    ask: z.object({ id: jobId, spec: besideOrder, order: orderSchema.optional() }),
    response: prewarmViewSchema,
  },
  plan: {
    from: 'member',
    maxBytes: ORDER_BYTES,
    ask: z.object({ spec: specSchema }),
    response: prewarmPlanViewSchema,
  },
  list: { from: 'member', maxBytes: SHORT, ask: z.object({}), response: z.array(prewarmViewSchema).max(1024) },
  show: { from: 'member', maxBytes: SHORT, ask: z.object({ id: jobId }), response: prewarmViewSchema },
  edit: {
    from: 'member',
    maxBytes: ORDER_BYTES,
    ask: z.object({ id: jobId, patch: besideOrder, order: orderSchema.optional() }),
    response: prewarmViewSchema,
  },
  /** Of the region that has none above it: schedules are kept there. */
  schedule: {
    from: 'member',
    maxBytes: ORDER_BYTES,
    ask: z.object({ id: jobId, order: orderSchema }),
    response: scheduleViewSchema,
  },
  unschedule: {
    from: 'member',
    maxBytes: ORDER_BYTES,
    ask: z.object({ id: jobId, order: orderSchema }),
    response: scheduleViewSchema,
  },
  schedules: { from: 'member', maxBytes: SHORT, ask: z.object({}), response: z.array(scheduleViewSchema).max(1024) },
  /** Images are to leave all hosts; the region that has none above it begins. */
  purge: {
    from: 'member',
    maxBytes: ORDER_BYTES,
    ask: z.object({ id: jobId, order: orderSchema }),
    response: purgeViewSchema,
  },
  /** Purges that still hold, or one of them. */
  purges: {
    from: 'member',
    maxBytes: SHORT,
    ask: z.object({ id: jobId.nullable() }),
    response: z.array(purgeViewSchema).max(MAX_PURGES),
  },
  /** Of a region and those below it: what its hosts have done. */
  purgeCounts: {
    from: 'cache',
    maxBytes: 16 * 1024,
    ask: z.object({ ids: z.array(jobId).max(MAX_PURGES) }),
    response: z.array(purgeCountsSchema).max(1024),
  },
  /** Of one region, from place `first` of the job's order on: each host's part, as many as fit. */
  hosts: {
    from: 'member',
    maxBytes: SHORT,
    ask: z.object({ id: jobId, region, first: count }),
    response: z.object({ hosts: z.array(prewarmHostSchema).max(HOSTS_PER_PAGE), more: z.boolean() }),
  },
  /** Of a region and those below it: what it could do for a plan. */
  survey: {
    from: 'cache',
    maxBytes: MAX_MESSAGE_BYTES,
    /** `counts`: what hosts have already is wanted, too. */
    ask: z.object({ spec: specSchema, plan: planSchema, counts: z.boolean() }),
    response: z.array(capacitySchema).max(1024),
  },
  /** Of one host or cache: which of a plan's blobs it lacks (a bit each), how many bytes that is, what it could take. */
  need: {
    from: 'cache',
    maxBytes: MAX_MESSAGE_BYTES,
    ask: z.object({ plan: planSchema }),
    response: z.object({ missing: base64, missingBytes: count, freeBytes: count }),
  },
} as const satisfies Record<string, Right & { readonly ask: z.ZodType; readonly response: z.ZodType }>

type Requests = typeof PREWARM_REQUESTS
export type RequestName = keyof Requests
export type AskOf<N extends RequestName> = Shape<Requests[N]['ask']>
export type ResponseTo<N extends RequestName> = Shape<Requests[N]['response']>

/** A request with its way so far: after this many hosts it goes in a circle. */
export interface RequestOf<N extends RequestName> {
  readonly name: N
  readonly hops: number
  readonly ask: AskOf<N>
}
export type PrewarmRequest = { [N in RequestName]: RequestOf<N> }[RequestName]

const MAX_HOPS = 16

const envelope = z.object({
  // they are the keys of what they are taken from
  name: z.enum(Object.keys(PREWARM_REQUESTS) as RequestName[]),
  hops: z.int().min(0).max(MAX_HOPS),
  ask: z.unknown(),
})

/** What an answer may fail with: the codes that mean something to who asked. */
const FAILURES = ['PREWARM_INVALID', 'PREWARM_IMPOSSIBLE', 'PREWARM_UNKNOWN', 'ORDER_REQUIRED', 'UNAVAILABLE'] as const
const failureSchema = z.object({ failure: z.object({ code: z.enum(FAILURES), message: text }) })

export function encodeRequest(request: RequestOf<RequestName>): Uint8Array {
  return encodeJson(request)
}

/** Undefined for what is no request of this version, or has gone too far. */
export function decodeRequest(bytes: Uint8Array): PrewarmRequest | undefined {
  const known = decodeJson(bytes, envelope)
  if (known === undefined) return undefined
  const parsed = PREWARM_REQUESTS[known.name].ask.safeParse(known.ask)
  // the schema is the one of this name
  return parsed.success ? ({ ...known, ask: parsed.data } as PrewarmRequest) : undefined
}

/** A response, or the failure in its place. */
export function encodeResponse(response: { readonly value: unknown } | { readonly error: unknown }): Uint8Array {
  if ('value' in response) {
    const bytes = encodeJson({ value: response.value })
    if (bytes.length <= MAX_MESSAGE_BYTES) return bytes
    return encodeResponse({ error: new ShoalError('UNAVAILABLE', 'the response is too large to be sent') })
  }
  const { error } = response
  const code: ErrorCode = isShoalError(error, ...FAILURES) ? error.code : 'UNAVAILABLE'
  return encodeJson({ failure: { code, message: errorText(error).slice(0, 1000) } })
}

/** Throws the failure in it, or `UNAVAILABLE` when it is no answer to such a request. */
export function decodeResponse<N extends RequestName>(name: N, bytes: Uint8Array): ResponseTo<N> {
  const good = PREWARM_REQUESTS[name].response.safeParse(decodeJson(bytes, z.object({ value: z.unknown() }))?.value)
  // the schema is the one of this name
  if (good.success) return good.data as ResponseTo<N>
  const bad = decodeJson(bytes, failureSchema)
  if (bad !== undefined) throw new ShoalError(bad.failure.code, bad.failure.message)
  throw new ShoalError('UNAVAILABLE', 'a cache of another version answers in a way this host does not understand')
}
