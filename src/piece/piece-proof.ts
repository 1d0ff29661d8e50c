import { createHash } from 'node:crypto'
import { chainHash, STATE_BYTES } from '../base/chain-hash.ts'
import type { Digest } from '../oci/digest.ts'
import { digestAlgorithm, digestHex } from '../oci/digest.ts'
import type { PieceLayout } from './piece-layout.ts'

/*
 * A piece's proof is what its bytes are compared with. There are two kinds, told apart by their length: its SHA-256, or a
 * link of the chain that SHA-256 over the whole blob is: the state before the piece and the state after it. Whoever has
 * compared every piece with a link of one unbroken chain, from the start to the digest, has hashed the whole, in any order.
 */

/** Bytes of a piece's hash, and of a state. */
export const HASH_BYTES = STATE_BYTES
const LINK_BYTES = 2 * STATE_BYTES

/** The proofs of one blob's pieces. */
export type PieceProofs = (piece: number) => Uint8Array | undefined

export function isProof(bytes: Uint8Array): boolean {
  return bytes.length === HASH_BYTES || bytes.length === LINK_BYTES
}

export function isLink(proof: Uint8Array): boolean {
  return proof.length === LINK_BYTES
}

/** The state before the piece of a link. */
export function stateBefore(link: Uint8Array): Uint8Array {
  return link.subarray(0, STATE_BYTES)
}

/** The state after the piece of a link; of the last piece, the blob's digest. */
export function stateAfter(link: Uint8Array): Uint8Array {
  return link.subarray(STATE_BYTES)
}

/** The hash of these bytes, as a proof. */
export function hashOf(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

/** The link that these bytes are, as piece `piece`, after that state. */
export function linkFrom(before: Uint8Array, layout: PieceLayout, piece: number, bytes: Uint8Array): Uint8Array {
  const link = new Uint8Array(LINK_BYTES)
  link.set(before)
  const isLast = piece === layout.count - 1
  link.set(isLast ? chainHash.digest(before, bytes, layout.size) : chainHash.advance(before, bytes), STATE_BYTES)
  return link
}

/** Whether these bytes are what the proof says piece `piece` is. */
export function isProvenBy(proof: Uint8Array, layout: PieceLayout, piece: number, bytes: Uint8Array): boolean {
  if (bytes.length !== layout.length(piece)) return false
  const found = isLink(proof) ? linkFrom(stateBefore(proof), layout, piece, bytes) : hashOf(bytes)
  return sameBytes(found, proof)
}

/**
 * Whether a blob's pieces can be links. One of a single piece has no need of them: its digest is its piece's hash. Where
 * states are slow to compute, hashing twice costs less.
 */
export function hasChain({ digest, count }: PieceLayout): boolean {
  return chainHash.isFast && count > 1 && digestAlgorithm(digest) === 'sha256'
}

/** The proof of a blob's only piece, where the blob's digest tells it. */
export function proofFromDigest(digest: Digest): Uint8Array | undefined {
  return digestAlgorithm(digest) === 'sha256' ? Buffer.from(digestHex(digest), 'hex') : undefined
}

/**
 * All proofs of a blob, packed: its hashes one after another, 32 bytes a piece; or the states of an unbroken chain, 32 bytes before
 * the first piece and after each. Undefined when one is missing, or they are of both kinds.
 */
export function packProofs({ count }: PieceLayout, proofs: PieceProofs): Uint8Array | undefined {
  const isChain = isLink(proofs(0) ?? new Uint8Array())
  const packed = new Uint8Array((count + (isChain ? 1 : 0)) * HASH_BYTES)
  for (let piece = 0; piece < count; piece++) {
    const proof = proofs(piece)
    if (proof === undefined || isLink(proof) !== isChain) return undefined
    const at = piece * HASH_BYTES
    if (isChain && piece > 0 && !sameBytes(packed.subarray(at, at + STATE_BYTES), stateBefore(proof))) return undefined
    packed.set(proof, at)
  }
  return packed
}

/** Whether a blob's packed proofs are states. */
export function areStates({ count }: PieceLayout, packed: Uint8Array): boolean {
  return count > 0 && packed.length === (count + 1) * STATE_BYTES
}

/** What `packProofs` has packed. */
export function packedProofs(layout: PieceLayout, packed: Uint8Array): PieceProofs {
  const length = areStates(layout, packed) ? LINK_BYTES : HASH_BYTES
  return (piece) => {
    const start = piece * HASH_BYTES
    return start + length <= packed.length ? packed.subarray(start, start + length) : undefined
  }
}

/** The packed proofs of a blob, made from its bytes piece by piece, in order; and its digest, where they are states. */
export class ProofMaker {
  readonly #layout: PieceLayout
  readonly #packed: Uint8Array
  readonly #isChain: boolean

  constructor(layout: PieceLayout) {
    this.#layout = layout
    this.#isChain = hasChain(layout)
    this.#packed = new Uint8Array((layout.count + (this.#isChain ? 1 : 0)) * HASH_BYTES)
    if (this.#isChain) this.#packed.set(chainHash.start)
  }

  /** All that were taken. */
  get packed(): Uint8Array {
    return this.#packed
  }

  /** The proof of this piece, which follows the one before. */
  take(piece: number, bytes: Uint8Array): Uint8Array {
    const at = piece * HASH_BYTES
    const proof = this.#isChain
      ? linkFrom(this.#packed.subarray(at, at + STATE_BYTES), this.#layout, piece, bytes)
      : hashOf(bytes)
    this.#packed.set(proof, at)
    return proof
  }
}

/** Whether these states are the chain of the blob: then every piece that its links prove is the digest's. */
export function leadToDigest({ digest }: PieceLayout, states: Uint8Array): boolean {
  return (
    Buffer.from(states.subarray(-STATE_BYTES)).toString('hex') === digestHex(digest) &&
    sameBytes(states.subarray(0, STATE_BYTES), chainHash.start)
  )
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
