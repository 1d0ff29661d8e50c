import { HASH_BYTES, isLink, isProof } from './piece-proof.ts'

const LONGEST = 2 * HASH_BYTES

/** The proofs of a blob's pieces of which some are there, of either kind, in one array: a blob may have 131 072. */
export class ProofTable {
  readonly #proofs: Uint8Array
  readonly #lengths: Uint8Array

  constructor(count: number) {
    this.#proofs = new Uint8Array(count * LONGEST)
    this.#lengths = new Uint8Array(count)
  }

  /** A view that lasts until the piece is set again. */
  get(piece: number): Uint8Array | undefined {
    const length = this.#lengths[piece] ?? 0
    return length === 0 ? undefined : this.#proofs.subarray(piece * LONGEST, piece * LONGEST + length)
  }

  /** Throws `RangeError` for what is no proof. */
  set(piece: number, proof: Uint8Array): void {
    if (!isProof(proof)) throw new RangeError(`a proof of ${proof.length} bytes`)
    this.#proofs.set(proof, piece * LONGEST)
    this.#lengths[piece] = isLink(proof) ? LONGEST : HASH_BYTES
  }
}
