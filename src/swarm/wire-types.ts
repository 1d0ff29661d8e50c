import { isIP } from 'node:net'
import { z } from 'zod'
import { parseAddress } from '../base/address.ts'
import type { Shape } from '../base/shape.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import { digestSchema, repositorySchema, tagSchema, upstreamSchema } from '../oci/schema.ts'
import { MAX_CERTIFICATE_BYTES, MAX_SIGNATURE_BYTES } from '../trust/index.ts'
import { PIECE_TLS, WIRE_LIMITS } from './wire-limits.ts'

const HASH_BYTES = 32
const PEER_KEY = /^[1-9A-HJ-NP-Za-km-z]{8,64}$/

export const u32 = z.int().min(0).max(0xffff_ffff)
export const sizeBytes = z.int().min(0)
export const pieceIndex = z
  .int()
  .min(0)
  .max(WIRE_LIMITS.pieces - 1)

export function bytes(maxBytes: number): z.ZodType<Uint8Array> {
  return z.instanceof(Uint8Array).refine((value) => value.length <= maxBytes, 'too many bytes')
}

export function exactBytes(length: number): z.ZodType<Uint8Array> {
  return z.instanceof(Uint8Array).refine((value) => value.length === length, 'not so many bytes')
}

export const tlsOffer = z.object({
  /** SHA-256 of the certificate it will show. */
  certificate: exactBytes(PIECE_TLS.fingerprintBytes),
  /** Names the link. Good for one connection. */
  token: exactBytes(PIECE_TLS.tokenBytes),
})
/** What one side of a link tells the other, over noise, of how it takes TLS connections: PROTOCOL.md. */
export type TlsOffer = Shape<typeof tlsOffer>

/** Free text: shown to people at most, never interpreted. */
export const text = z.string().max(WIRE_LIMITS.text)

export const name = z.string().max(WIRE_LIMITS.name)

/** A certificate (DER), what an authority's is called, and a wall clock's time. */
export const certificate = bytes(MAX_CERTIFICATE_BYTES)
export const fingerprint = z.string().regex(/^[0-9a-f]{64}$/)
export const epochMs = z.int().min(0)

/** By a fleet's cache key, or longer, with the signer's certificate. */
const signature = bytes(MAX_SIGNATURE_BYTES).refine((value) => value.length >= 64, 'too few bytes')

/** A region, a zone, a version: printable and short. */
export const label = z.string().regex(/^[\x21-\x7e]{1,128}$/)

/** What a frame, message, request or ability is called. */
export const wireName = z.string().regex(/^[a-zA-Z][a-zA-Z0-9-]{0,63}$/)
export const spoken = z.array(wireName).max(WIRE_LIMITS.spoken)

export const digest = digestSchema
/** A repository of an upstream. */
export const place = { upstream: upstreamSchema, repository: repositorySchema }
export const tag = tagSchema

export const tagOrDigest: z.ZodType<TagOrDigest> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('tag'), tag }),
  z.object({ kind: z.literal('digest'), digest }),
])

export const ipAddress = z.string().refine((value) => isIP(value) !== 0, 'not an IP address')

const peerKey = z.string().regex(PEER_KEY)
const hostPort = z
  .string()
  .max(WIRE_LIMITS.text)
  .refine((value) => parseAddress(value) !== undefined, 'not a host:port')
export const addresses = z.array(hostPort).max(WIRE_LIMITS.addresses)
/** A cache of `region` has signed it (epoch ms, by its clock, rounded down). */
export const dated = { region: label, atMs: z.int().nonnegative(), signature: bytes(MAX_SIGNATURE_BYTES) }

const peerAddress = z.object({
  key: peerKey,
  addresses,
  /** That a cache met the peer at these addresses: what makes them more than the word of who names them. */
  proof: z.object(dated).optional(),
})
export const peers = z.array(peerAddress).max(WIRE_LIMITS.peers)
/** Enough to dial a peer one has heard of. */
export type PeerAddress = Shape<typeof peerAddress>
export type AddressProof = NonNullable<PeerAddress['proof']>

const hashRun = z.object({
  first: pieceIndex,
  hashes: bytes(WIRE_LIMITS.hashesBytes).refine((value) => value.length % HASH_BYTES === 0, 'not whole hashes'),
  before: exactBytes(HASH_BYTES).optional(),
  signature: signature.optional(),
})
export const hashRuns = z.array(hashRun).max(WIRE_LIMITS.runs)
/**
 * A run of piece hashes, `hashes` being 32 bytes a piece from `first` on. With `before` they are states of SHA-256 over the
 * blob: before the first piece of the run, and after each (of the last piece, the digest). With a signature it is vouched for:
 * made by a cache of the region over (blob, size, first, before, hashes), so that any member can pass it on. Without one it is a
 * peer's word: its pieces may be kept, but prove nothing until the whole digest does.
 */
export type HashRun = Shape<typeof hashRun>
