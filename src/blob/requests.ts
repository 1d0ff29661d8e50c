import { z } from 'zod'
import type { Shape } from '../base/shape.ts'
import type { BodyOf, Granted, ResponseTo } from '../swarm/index.ts'
import {
  bytes,
  defineRequests,
  digest,
  label,
  name,
  place,
  sizeBytes,
  tag,
  tagOrDigest,
  text,
  WIRE_LIMITS,
} from '../swarm/index.ts'
import { MAX_SIGNATURE_BYTES } from '../trust/index.ts'

/** A cache of `region` has signed what a tag pointed to when the upstream confirmed it (epoch ms, by that cache's clock). */
const tagProof = z.object({
  region: label,
  confirmedEpochMs: z.int().nonnegative(),
  signature: bytes(MAX_SIGNATURE_BYTES),
})
export type TagProof = Shape<typeof tagProof>

/** Only about a tag: short. */
const order = z.object({
  text: z.string().max(WIRE_LIMITS.orderText),
  region: label.nullable(),
  signature: bytes(MAX_SIGNATURE_BYTES),
})
const document = bytes(WIRE_LIMITS.manifestBytes)

/** What is asked of a home, besides blobs to be moved. */
export const blobRequests = defineRequests({
  /** A manifest by tag or digest. */
  manifest: {
    body: z.object({ ...place, target: tagOrDigest }),
    response: z.object({
      kind: z.literal('manifest'),
      digest,
      mediaType: name,
      bytes: document,
      stale: z.boolean(),
      ageMs: z.number().min(0),
      /** Of a tag: whoever passes the answer on passes this on with it. */
      proof: tagProof.optional(),
    }),
  },
  stat: {
    /** `confirm`: that a manifest names it is not enough, the repository's own origin must have said that it has it. */
    body: z.object({ ...place, digest, confirm: z.boolean().optional() }),
    response: z.object({ kind: z.literal('stat'), size: sizeBytes }),
  },
  tags: {
    body: z.object({ ...place, limit: z.int().min(0).max(WIRE_LIMITS.tags).optional(), after: text.optional() }),
    response: z.object({ kind: z.literal('tags'), tags: z.array(tag).max(WIRE_LIMITS.tags), more: z.boolean() }),
  },
  referrers: {
    body: z.object({ ...place, digest, artifactType: name.optional() }),
    response: z.object({ kind: z.literal('referrers'), bytes: document, filtered: z.boolean() }),
  },
  /** Forget a cached tag, here and in the tiers above: without an order of somebody who may act on the fleet, nothing is. */
  invalidate: {
    body: z.object({ ...place, tag, order: order.optional() }),
    response: z.object({ kind: z.literal('done') }),
  },
})

export type FoundManifest = Granted<typeof blobRequests.manifest>
export type StatRequest = BodyOf<typeof blobRequests.stat>
export type InvalidateRequest = BodyOf<typeof blobRequests.invalidate>
export type InvalidateResponse = ResponseTo<typeof blobRequests.invalidate>
