import { z } from 'zod'
import type { MessageOf, OrderKind } from '../orders/index.ts'
import { ORDER_BYTES, orderId, ordering, SHORT_BYTES } from '../orders/index.ts'
import { orderSchema } from '../trust/index.ts'
import type { PurgeSpec } from './purge.ts'
import {
  MAX_PURGES,
  purgeCountsSchema,
  purgeId,
  purgeReportSchema,
  purgeSpecSchema,
  purgeText,
  purgeViewSchema,
} from './purge.ts'

/** Images that a log line names. */
const MAX_NAMED = 4

export const PURGE_ORDER: OrderKind<PurgeSpec> = {
  verb: 'purge',
  id: purgeId,
  content: purgeSpecSchema,
  fields: ({ images, dryRun }) => ({
    images: images.slice(0, MAX_NAMED).map(purgeText),
    imageCount: images.length,
    dryRun,
  }),
}

const messages = {
  /** An order to purge, from who has obeyed it. */
  purge: { from: 'upperCache', maxBytes: ORDER_BYTES, body: z.object({ order: orderSchema }) },
  /** Which of them are known here: whoever is linked hands on the others. */
  purges: { from: 'member', maxBytes: 32 * 1024, body: z.object({ ids: z.array(orderId).max(MAX_PURGES) }) },
  /** What a host has done of one, to the caches of its region; a cache, also to those of the region above. */
  purged: { from: 'member', maxBytes: 4 * SHORT_BYTES, body: z.object({ id: orderId, report: purgeReportSchema }) },
} as const

const requests = {
  /** Images are to leave all hosts; the region that has none above it begins. */
  purge: { from: 'member', maxBytes: ORDER_BYTES, ask: ordering, order: PURGE_ORDER, response: purgeViewSchema },
  /** Purges that still hold, or one of them. */
  purges: {
    from: 'member',
    maxBytes: SHORT_BYTES,
    ask: z.object({ id: orderId.nullable() }),
    response: z.array(purgeViewSchema).max(MAX_PURGES),
  },
  /** Of a region and those below it: what its hosts have done. */
  purgeCounts: {
    from: 'cache',
    maxBytes: 16 * 1024,
    ask: z.object({ ids: z.array(orderId).max(MAX_PURGES) }),
    response: z.array(purgeCountsSchema).max(1024),
  },
} as const

/** What hosts tell each other of purges. */
export const PURGE_WORDS = { messages, requests }
export type PurgeMessages = typeof messages
export type PurgeRequests = typeof requests
export type PurgeMessage = MessageOf<PurgeMessages>
