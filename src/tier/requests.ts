import { z } from 'zod'
import type { Shape } from '../base/shape.ts'
import { dated, defineRequests, label, peers, u32 } from '../swarm/index.ts'

/**
 * What a cache has drawn that a host ranks by while hosts stand in for caches, and signed for that host: something for the
 * address it comes from, and something for itself.
 */
const lot = z.object({ ...dated, address: label, host: label })
export type Lot = Shape<typeof lot>

export const tierRequests = defineRequests({
  /** Some hosts of the asker's region that it may want to know when the caches, or this host, are gone. */
  members: {
    body: z.object({ limit: u32 }),
    /** `lot`: from a cache, what it has drawn for the asker; from others, what a cache has drawn for them. */
    response: z.object({ kind: z.literal('members'), peers, lot: lot.optional() }),
  },
})
