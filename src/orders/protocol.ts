import { z } from 'zod'
import { bytes, defineMessages, defineRequests, WIRE_LIMITS } from '../swarm/index.ts'

/**
 * JSON in UTF-8: codec.ts. CBOR would be a tenth shorter, but a plan of many blobs takes several times as long to write and
 * to read in it, in one turn of a cache's loop.
 */
const body = bytes(WIRE_LIMITS.letterBytes)

/** What carries the messages and requests of all rooms that act on the fleet, by the names that 0.1.0 gave them. */
export const ordersProtocol = {
  ...defineMessages('prewarm', { letter: z.object({ body }) }),
  ...defineRequests({
    prewarm: { body: z.object({ body }), response: z.object({ kind: z.literal('prewarm'), body }) },
  }),
}
