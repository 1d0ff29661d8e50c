import { isIP } from 'node:net'
import { z } from 'zod'
import { parseDigest } from '../oci/digest.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import { isRegistryHost, isRepositoryName, isTag } from '../oci/reference.ts'
import { MAX_CERTIFICATE_BYTES, MAX_SIGNATURE_BYTES } from '../trust/index.ts'
import { parseHostPort } from './address.ts'
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
  certificate: exactBytes(PIECE_TLS.fingerprintBytes),
  token: exactBytes(PIECE_TLS.tokenBytes),
})

/** Free text: shown to people at most, never interpreted. */
export const text = z.string().max(WIRE_LIMITS.text)

/** A certificate (DER), what an authority's is called, and a wall clock's time. */
export const certificate = bytes(MAX_CERTIFICATE_BYTES)
export const fingerprint = z.string().regex(/^[0-9a-f]{64}$/)
export const epochMs = z.int().min(0)

/** By a fleet's cache key, or longer, with the signer's certificate. */
export const signature = bytes(MAX_SIGNATURE_BYTES).refine((value) => value.length >= 64, 'too few bytes')

/** A region, a zone, a version: printable and short. */
export const label = z.string().regex(/^[\x21-\x7e]{1,128}$/)

/** What a frame, message, call or ability is called. */
export const wireName = z.string().regex(/^[a-zA-Z][a-zA-Z0-9-]{0,63}$/)
export const spoken = z.array(wireName).max(WIRE_LIMITS.spoken)

export const digest = z
  .string()
  .max(WIRE_LIMITS.name)
  .transform((value, context) => {
    const parsed = parseDigest(value)
    if (parsed === undefined) context.addIssue({ code: 'custom', message: 'not a digest' })
    return parsed ?? z.NEVER
  })

export const upstream = z.string().refine(isRegistryHost, 'not a registry host')
export const repository = z.string().refine(isRepositoryName, 'not a repository name')
export const tag = z.string().refine(isTag, 'not a tag')

export const tagOrDigest: z.ZodType<TagOrDigest> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('tag'), tag }),
  z.object({ kind: z.literal('digest'), digest }),
])

export const ipAddress = z.string().refine((value) => isIP(value) !== 0, 'not an IP address')

export const peerKey = z.string().regex(PEER_KEY)
export const hostPort = z
  .string()
  .max(WIRE_LIMITS.text)
  .refine((value) => parseHostPort(value) !== undefined, 'not a host:port')
export const addresses = z.array(hostPort).max(WIRE_LIMITS.addresses)
const addressProof = z.object({ region: label, atMs: z.int().nonnegative(), signature: bytes(MAX_SIGNATURE_BYTES) })
export const peers = z
  .array(z.object({ key: peerKey, addresses, proof: addressProof.optional() }))
  .max(WIRE_LIMITS.peers)

export const hashRuns = z
  .array(
    z.object({
      first: pieceIndex,
      hashes: bytes(WIRE_LIMITS.hashesBytes).refine((value) => value.length % HASH_BYTES === 0, 'not whole hashes'),
      signature: signature.optional(),
    }),
  )
  .max(WIRE_LIMITS.runs)
