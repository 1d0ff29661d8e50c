import { z } from 'zod'
import type { CacheRoutes, Messenger } from '../orders/index.ts'
import { count, MAX_MESSAGE_BYTES, ORDER_BYTES, ordering, region, SHORT_BYTES } from '../orders/index.ts'
import { EDIT_ORDER, JOB_ORDER } from './job-orders.ts'
import type { PrewarmMessages } from './messages.ts'
import { PREWARM_MESSAGES } from './messages.ts'
import { scheduleViewSchema } from './schedule.ts'
import { SCHEDULE_ORDER, UNSCHEDULE_ORDER } from './schedule-orders.ts'
import {
  base64,
  capacitySchema,
  jobId,
  planSchema,
  prewarmHostSchema,
  prewarmPlanViewSchema,
  prewarmViewSchema,
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
const PREWARM_REQUESTS = {
  submit: {
    from: 'member',
    maxBytes: ORDER_BYTES,
    ask: ordering.extend({ spec: besideOrder }),
    order: JOB_ORDER,
    response: prewarmViewSchema,
  },
  plan: {
    from: 'member',
    maxBytes: ORDER_BYTES,
    ask: z.object({ spec: specSchema }),
    response: prewarmPlanViewSchema,
  },
  list: { from: 'member', maxBytes: SHORT_BYTES, ask: z.object({}), response: z.array(prewarmViewSchema).max(1024) },
  show: { from: 'member', maxBytes: SHORT_BYTES, ask: z.object({ id: jobId }), response: prewarmViewSchema },
  edit: {
    from: 'member',
    maxBytes: ORDER_BYTES,
    ask: ordering.extend({ patch: besideOrder }),
    order: EDIT_ORDER,
    response: prewarmViewSchema,
  },
  /** Of the region that has none above it: schedules are kept there. */
  schedule: {
    from: 'member',
    maxBytes: ORDER_BYTES,
    ask: ordering,
    order: SCHEDULE_ORDER,
    response: scheduleViewSchema,
  },
  unschedule: {
    from: 'member',
    maxBytes: ORDER_BYTES,
    ask: ordering,
    order: UNSCHEDULE_ORDER,
    response: scheduleViewSchema,
  },
  schedules: {
    from: 'member',
    maxBytes: SHORT_BYTES,
    ask: z.object({}),
    response: z.array(scheduleViewSchema).max(1024),
  },
  /** Of one region, from place `first` of the job's order on: each host's part, as many as fit. */
  hosts: {
    from: 'member',
    maxBytes: SHORT_BYTES,
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
} as const

export type PrewarmRequests = typeof PREWARM_REQUESTS

/** What hosts tell each other of prewarm jobs. */
export const PREWARM_WORDS = { messages: PREWARM_MESSAGES, requests: PREWARM_REQUESTS }
export type PrewarmMessenger = Messenger<PrewarmMessages, PrewarmRequests>
export type PrewarmRoutes = CacheRoutes<PrewarmRequests>
