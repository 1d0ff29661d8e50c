import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PieceProofs } from '../piece/piece-proof.ts'
import { isProvenBy } from '../piece/piece-proof.ts'
import { ownSeals } from './piece-seals.ts'

/**
 * Whether a whole piece is what its proof says; false when there is none. On this thread: the other one would be handed a
 * copy, and making, clearing and freeing that takes half as long as the hash.
 */
export function pieceMatches(layout: PieceLayout, piece: number, bytes: Uint8Array, proofs: PieceProofs): boolean {
  const proof = proofs(piece)
  if (proof === undefined) return false
  if (ownSeals.holds(proof, bytes)) return true
  if (!isProvenBy(proof, layout, piece, bytes)) return false
  ownSeals.add(proof, bytes)
  return true
}
