import { z } from 'zod'
import type { Shape } from '../base/shape.ts'
import { limitsSchema } from './api-schema.ts'

/*
 * What a host says of itself, as a client reads it: unknown keys are let through, since an older command may talk to a newer
 * agent, and what is optional is absent from older agents. The page in the browser reads the types, too: nothing is
 * imported that the daemon alone understands.
 */

/** Where a host's received bytes came from: the label values of the byte counter, as `sentBytes` are. */
const receivedBytes = z.object({ peer: z.number(), home: z.number(), parent: z.number(), origin: z.number() })

const sentBytes = z.object({
  runtime: z.number(),
  /** Hosts, from a host. */
  peer: z.number(),
  /** Hosts and caches of its region, from a cache. */
  region: z.number(),
  /** Other regions. */
  child: z.number(),
})

/** One cache as this host sees it. */
const cache = z.object({
  address: z.string(),
  /** Its peer id, once a link has been proven. */
  key: z.string().optional(),
  /** E.g. `linked`, `dialling`, `unreachable`. */
  state: z.string(),
  /** The region it serves, where that is not the one it is configured for: it is of no use then. */
  servesInstead: z.string().optional(),
  /** Why it and this host make no link, where one of the two has refused the other. */
  problem: z.string().optional(),
})
export type CacheStatus = Shape<typeof cache>

/** A certificate: this host's own, or an authority's. */
const credential = z.object({
  role: z.string(),
  /** `cache of region eu-1`, or an authority's name. */
  text: z.string(),
  serial: z.string(),
  endsEpochMs: z.number(),
  daysLeft: z.number(),
  /** Why it counts for nothing; null when it counts. */
  problem: z.string().nullable(),
})

/** What the last answer of an origin was when it was none. */
const trouble = z.object({
  state: z.string(),
  message: z.string(),
  remedy: z.string(),
  sinceEpochMs: z.number(),
  failures: z.number(),
})

/** `trouble` is absent while it answers, or has not been asked. */
const origin = z.object({ kind: z.string(), label: z.string(), trouble: trouble.optional() })
export type OriginStatus = Shape<typeof origin>

export const nodeStatusSchema = z.object({
  version: z.string(),
  role: z.string(),
  region: z.string(),
  zone: z.string().nullable(),
  peerId: z.string(),
  uptimeSeconds: z.number(),
  /** Where the three servers listen, as `host:port`. */
  addresses: z.object({ mirror: z.string(), peer: z.string(), admin: z.string() }),
  /** This host's own certificate and the fleet's authorities; none in a fleet without. */
  credentials: z.array(credential).optional(),
  store: z.object({
    capacityBytes: z.number(),
    completeBytes: z.number(),
    partialBytes: z.number(),
    pinnedBytes: z.number(),
    diskFull: z.boolean(),
    /** E.g. `ok`, `full`, `read_only`, `failed`, `stalled`. */
    state: z.string().default('ok'),
  }),
  /** How many files this process may open, and whether pulls wait for each other for want of them. */
  openFiles: z.object({ limit: z.number().nullable(), few: z.boolean() }).optional(),
  /** Live links, by role. */
  peers: z.object({
    linked: z.number(),
    caches: z.number(),
    /** Identities that several live hosts have, as copies of a disk do. */
    clones: z.array(z.object({ peerId: z.string(), addresses: z.array(z.string()) })).optional(),
  }),
  tier: z.object({
    /** `linked`, `acting` (no cache is there: hosts act for them), or `own` (this host is its own tier). */
    state: z.string(),
    caches: z.array(cache),
    /** While `acting`: other hosts that are known to take turns at the origin with this one. */
    standIns: z.number().optional(),
    /** Parent regions, nearest first. */
    parents: z.array(z.object({ region: z.string(), caches: z.array(cache) })),
  }),
  /** Bytes since the process started. */
  received: receivedBytes,
  sent: sentBytes,
  transfersActive: z.number(),
  limits: limitsSchema.optional(),
  /** What an image name without a registry means here. */
  defaultUpstream: z.string().optional(),
  upstreams: z.array(z.object({ name: z.string(), access: z.string(), origins: z.array(origin) })),
})
export type NodeStatus = Shape<typeof nodeStatusSchema>

/** What a readiness probe may ask for besides pulls being served. */
export const READINESS_CONDITIONS = ['tier', 'origin', 'disk'] as const
export type ReadinessCondition = (typeof READINESS_CONDITIONS)[number]

export interface Readiness {
  readonly ready: boolean
  /** What is missing, or `ok`. */
  readonly reason: string
  /** How each condition is, wanted or not: `ok`, or what is wrong. */
  readonly conditions: Readonly<Record<ReadinessCondition, string>>
}

const transfer = z.object({
  digest: z.string(),
  sizeBytes: z.number(),
  haveBytes: z.number(),
  bytesPerSec: z.number(),
  /** Null while the rate is unknown or zero. */
  etaSeconds: z.number().nullable(),
  from: receivedBytes,
  /** Neighbours in this blob's swarm. */
  peers: z.number(),
  startedEpochMs: z.number(),
  /** E.g. `running`, `verifying`, `done`, `failed`. */
  state: z.string(),
})
export const transfersSchema = z.object({ transfers: z.array(transfer) })
export type TransferStatus = Shape<typeof transfer>

const blob = z.object({
  digest: z.string(),
  sizeBytes: z.number(),
  storedBytes: z.number(),
  state: z.enum(['complete', 'partial']),
  lastUsedEpochMs: z.number(),
  /** Null when not pinned, or pinned without an end. */
  pinnedUntilEpochMs: z.number().nullable(),
  pinned: z.boolean(),
})
export const blobsSchema = z.object({ blobs: z.array(blob) })
export type BlobStatus = Shape<typeof blob>

const peer = z.object({
  key: z.string(),
  role: z.string(),
  region: z.string(),
  zone: z.string().nullable(),
  addresses: z.array(z.string()),
  direction: z.enum(['inbound', 'outbound']),
  sentBytes: z.number(),
  receivedBytes: z.number(),
})
export const peersSchema = z.object({ peers: z.array(peer) })
export type PeerStatus = Shape<typeof peer>
