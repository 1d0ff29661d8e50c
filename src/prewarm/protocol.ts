import { z } from 'zod'
import { bytes, defineMessages, defineRequests, WIRE_LIMITS } from '../swarm/index.ts'

/**
 * JSON in UTF-8: messages.ts, requests.ts. CBOR would be a tenth shorter, but a plan of many blobs takes several times as long to
 * write and to read in it, in one turn of a cache's loop.
 */
const body = bytes(WIRE_LIMITS.letterBytes)

/** What carries prewarm's own messages and requests. */
export const prewarmProtocol = {
  ...defineMessages('prewarm', { letter: z.object({ body }) }),
  ...defineRequests({
    prewarm: { body: z.object({ body }), response: z.object({ kind: z.literal('prewarm'), body }) },
  }),
}
