import { z } from 'zod'
import { MAX_REVOCATIONS_BYTES, MAX_SIGNATURE_BYTES } from '../trust/index.ts'
import type { HotMessage } from './hot-messages.ts'
import type { CallArguments, CallName, CallResults, ControlMessage, MessageOf } from './interface.ts'
import { WIRE_LIMITS } from './wire-limits.ts'
import {
  addresses,
  bytes,
  certificate,
  digest,
  epochMs,
  exactBytes,
  fingerprint,
  hashRuns,
  label,
  peerKey,
  peers,
  pieceIndex,
  repository,
  sizeBytes,
  tag,
  tagOrDigest,
  text,
  u32,
  upstream,
} from './wire-types.ts'

const bits = bytes(WIRE_LIMITS.bitsBytes)
const letter = bytes(WIRE_LIMITS.letterBytes)
const name = z.string().max(WIRE_LIMITS.name)

type ColdMessage = Exclude<ControlMessage, HotMessage>

/**
 * Every one-way message but those of `hot-messages.ts`, by type. Unknown keys are dropped, so that a later version may
 * add some.
 */
export const coldMessages: { readonly [T in ColdMessage['type']]: z.ZodType<MessageOf<T>> } = {
  bitfield: z.object({ type: z.literal('bitfield'), blob: digest, size: sizeBytes, bits, queue: u32 }),
  hashes: z.object({ type: z.literal('hashes'), blob: digest, size: sizeBytes, runs: hashRuns }),
  peers: z.object({ type: z.literal('peers'), blob: digest, peers }),
  leave: z.object({ type: z.literal('leave'), blob: digest }),
  part: z.object({ type: z.literal('part'), blob: digest }),
  giveUp: z.object({ type: z.literal('giveUp'), blob: digest }),
  accuse: z.object({ type: z.literal('accuse'), blob: digest, piece: pieceIndex, peer: peerKey }),
  addresses: z.object({ type: z.literal('addresses'), addresses }),
  letter: z.object({ type: z.literal('letter'), body: letter }),
  credential: z.object({ type: z.literal('credential'), certificate, proof: exactBytes(64) }),
  revocations: z.object({
    type: z.literal('revocations'),
    authority: fingerprint,
    issuedAtMs: epochMs,
    list: bytes(MAX_REVOCATIONS_BYTES),
  }),
}

const place = { upstream, repository }
/** Only about a tag: short. */
const order = z.object({
  text: z.string().max(WIRE_LIMITS.orderText),
  region: label.nullable(),
  signature: bytes(MAX_SIGNATURE_BYTES),
})

/** What may be asked, by name. */
export const callArguments: { readonly [N in CallName]: z.ZodType<CallArguments[N]> } = {
  join: z.object({ ...place, digest, size: sizeBytes.optional(), have: bits, background: z.boolean().optional() }),
  manifest: z.object({ ...place, target: tagOrDigest }),
  stat: z.object({ ...place, digest, confirm: z.boolean().optional() }),
  tags: z.object({ ...place, limit: z.int().min(0).max(WIRE_LIMITS.tags).optional(), after: text.optional() }),
  referrers: z.object({ ...place, digest, artifactType: name.optional() }),
  invalidate: z.object({ ...place, tag, order: order.optional() }),
  members: z.object({ limit: u32 }),
  prewarm: z.object({ body: letter }),
}

const refusal = z.object({
  kind: z.literal('refused'),
  reason: z.enum(['unknown', 'denied', 'unavailable']),
  message: text,
  atWork: z.boolean().optional(),
})
const tagProof = z.object({
  region: label,
  confirmedEpochMs: z.int().nonnegative(),
  signature: bytes(MAX_SIGNATURE_BYTES),
})
const document = bytes(WIRE_LIMITS.manifestBytes)

/** What may be answered, by the name of the call. */
export const callResults: { readonly [N in CallName]: z.ZodType<CallResults[N]> } = {
  join: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('inline'), bytes: bytes(WIRE_LIMITS.inlineBytes) }),
    z.object({ kind: z.literal('swarm'), size: sizeBytes, peers, runs: hashRuns, members: u32 }),
    refusal,
  ]),
  manifest: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('manifest'),
      digest,
      mediaType: name,
      bytes: document,
      stale: z.boolean(),
      ageMs: z.number().min(0),
      proof: tagProof.optional(),
    }),
    refusal,
  ]),
  stat: z.discriminatedUnion('kind', [z.object({ kind: z.literal('stat'), size: sizeBytes }), refusal]),
  tags: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('tags'), tags: z.array(tag).max(WIRE_LIMITS.tags), more: z.boolean() }),
    refusal,
  ]),
  referrers: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('referrers'), bytes: document, filtered: z.boolean() }),
    refusal,
  ]),
  invalidate: z.discriminatedUnion('kind', [z.object({ kind: z.literal('done') }), refusal]),
  members: z.discriminatedUnion('kind', [z.object({ kind: z.literal('members'), peers }), refusal]),
  prewarm: z.discriminatedUnion('kind', [z.object({ kind: z.literal('prewarm'), body: letter }), refusal]),
}
