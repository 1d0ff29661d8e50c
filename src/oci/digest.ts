import type { Hash } from 'node:crypto'
import { createHash } from 'node:crypto'
import { ShoalError } from '../base/errors.ts'

/** `algorithm:hex`, canonical (lower case) and of a supported algorithm: OCI image-spec, descriptor.md "Digests". */
export type Digest = string & { readonly __digest: never }

const HEX_LENGTH: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 }

/** The digest in `text`, or undefined: unknown algorithm, upper case, wrong length or characters. */
export function parseDigest(text: string): Digest | undefined {
  const colon = text.indexOf(':')
  const hex = text.slice(colon + 1)
  const length = HEX_LENGTH[text.slice(0, Math.max(colon, 0))]
  return length === hex.length && /^[0-9a-f]+$/.test(hex) ? (text as Digest) : undefined
}

/** Like parseDigest, but throws `DIGEST_INVALID`. */
export function requireDigest(text: string): Digest {
  const digest = parseDigest(text)
  if (digest === undefined) {
    throw new ShoalError('DIGEST_INVALID', `not a digest this program knows (sha256 or sha512): ${text.slice(0, 150)}`)
  }
  return digest
}

export function digestAlgorithm(digest: Digest): string {
  return digest.slice(0, digest.indexOf(':'))
}

export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

/** A running hash of the algorithm that `digest` names. */
export function digestHasher(digest: Digest): Hash {
  return createHash(digestAlgorithm(digest))
}

/** The digest of `bytes`, by the algorithm of `like` (default sha256). */
export function digestOf(bytes: Uint8Array, like: string = 'sha256'): Digest {
  const algorithm = like.split(':', 1)[0] ?? 'sha256'
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest
}

/** The tag that stands for the referrers of `digest` where there is no referrers API: distribution-spec, "Referrers Tag Schema". */
export function referrersTag(digest: Digest): string {
  return `${digestAlgorithm(digest).slice(0, 32)}-${digestHex(digest).slice(0, 64)}`
}
