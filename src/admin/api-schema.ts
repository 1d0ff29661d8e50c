import { z } from 'zod'
import type { Limits, NodeStatus, PeerStatus, PinStatus, TransferStatus, VerifyView } from './interface.ts'

/*
 * The admin API as a client reads it. Unknown keys are let through: an older command may talk to a newer agent.
 */

const receivedBytes = z.object({ peer: z.number(), home: z.number(), parent: z.number(), origin: z.number() })
const cache = z.object({ address: z.string(), key: z.string().optional(), state: z.string() })

const trouble = z.object({
  state: z.string(),
  message: z.string(),
  remedy: z.string(),
  sinceEpochMs: z.number(),
  failures: z.number(),
})

export const nodeStatusSchema: z.ZodType<NodeStatus> = z.object({
  version: z.string(),
  role: z.string(),
  region: z.string(),
  zone: z.string().nullable(),
  peerId: z.string(),
  uptimeSeconds: z.number(),
  addresses: z.object({ mirror: z.string(), peer: z.string(), admin: z.string() }),
  credentials: z
    .array(
      z.object({
        role: z.string(),
        text: z.string(),
        serial: z.string(),
        endsEpochMs: z.number(),
        daysLeft: z.number(),
        problem: z.string().nullable(),
      }),
    )
    .optional(),
  store: z.object({
    capacityBytes: z.number(),
    completeBytes: z.number(),
    partialBytes: z.number(),
    pinnedBytes: z.number(),
    diskFull: z.boolean(),
    /** Absent in hosts of before. */
    state: z.string().default('ok'),
  }),
  peers: z.object({
    linked: z.number(),
    caches: z.number(),
    clones: z.array(z.object({ peerId: z.string(), addresses: z.array(z.string()) })).optional(),
  }),
  tier: z.object({
    state: z.string(),
    caches: z.array(cache),
    parents: z.array(z.object({ region: z.string(), caches: z.array(cache) })),
  }),
  received: receivedBytes,
  sent: z.object({ runtime: z.number(), peer: z.number(), child: z.number() }),
  transfersActive: z.number(),
  defaultUpstream: z.string().optional(),
  upstreams: z.array(
    z.object({
      name: z.string(),
      access: z.string(),
      origins: z.array(z.object({ kind: z.string(), label: z.string(), trouble: trouble.optional() })),
    }),
  ),
})

const transferSchema: z.ZodType<TransferStatus> = z.object({
  digest: z.string(),
  sizeBytes: z.number(),
  haveBytes: z.number(),
  bytesPerSec: z.number(),
  etaSeconds: z.number().nullable(),
  from: receivedBytes,
  peers: z.number(),
  startedEpochMs: z.number(),
  state: z.string(),
})

const peerSchema: z.ZodType<PeerStatus> = z.object({
  key: z.string(),
  role: z.string(),
  region: z.string(),
  zone: z.string().nullable(),
  addresses: z.array(z.string()),
  direction: z.enum(['inbound', 'outbound']),
  sentBytes: z.number(),
  receivedBytes: z.number(),
})

export const transfersSchema = z.object({ transfers: z.array(transferSchema) })
export const peersSchema = z.object({ peers: z.array(peerSchema) })
export const limitsSchema: z.ZodType<Limits> = z.object({
  upload: z.number(),
  download: z.number(),
  origin: z.number(),
  prewarm: z.number(),
})
export const pinSchema: z.ZodType<PinStatus> = z.object({
  reference: z.string(),
  job: z.string().nullable(),
  digest: z.string(),
  untilEpochMs: z.number(),
  blobs: z.number(),
  bytes: z.number(),
  presentBytes: z.number(),
})
export const pinsSchema = z.object({ pins: z.array(pinSchema) })
const counted = z.object({ total: z.number(), checked: z.number() })
export const verifyViewSchema: z.ZodType<VerifyView> = z.object({
  state: z.enum(['running', 'done', 'stopped']),
  startedEpochMs: z.number(),
  blobs: counted,
  bytes: counted,
  damaged: z.array(
    z.object({
      digest: z.string(),
      sizeBytes: z.number(),
      pieces: z.array(z.number()),
      wholeAgain: z.boolean(),
    }),
  ),
  absent: z.array(z.string()),
})
export const unpinnedSchema = z.object({ reference: z.string(), unpinned: z.boolean() })
export const invalidatedSchema = z.object({
  reference: z.string(),
  digest: z.string().nullable(),
  /** Absent from agents of before, who always asked the caches. */
  everywhere: z.boolean().default(true),
})
export const apiErrorSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), socket: z.string().optional() }),
})
