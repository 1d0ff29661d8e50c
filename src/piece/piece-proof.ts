import { createHash } from 'node:crypto'
import type { Digest } from '../oci/digest.ts'
import { digestAlgorithm, digestHex } from '../oci/digest.ts'

/** Bytes of a piece's proof, whatever they are. */
export const PROOF_BYTES = 32

/** The proofs of one blob's pieces. A check may look at its piece's neighbours, so it is given them all. */
export type PieceProofs = (piece: number) => Uint8Array | undefined

/** What proves these bytes to be their piece: today their SHA-256. All others only keep it, compare it and pass it on. */
export function proofOf(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

/** The proof of a blob's only piece, where the blob's digest tells it. */
export function proofFromDigest(digest: Digest): Uint8Array | undefined {
  return digestAlgorithm(digest) === 'sha256' ? Buffer.from(digestHex(digest), 'hex') : undefined
}

/** Proofs that lie one after another, `PROOF_BYTES` each. */
export function packedProofs(packed: Uint8Array): PieceProofs {
  return (piece) => {
    const start = piece * PROOF_BYTES
    return start + PROOF_BYTES <= packed.length ? packed.subarray(start, start + PROOF_BYTES) : undefined
  }
}
