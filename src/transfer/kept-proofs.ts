import { setBits } from '../piece/bitfield.ts'
import { hashOf, isLink, isProvenBy } from '../piece/piece-proof.ts'
import type { PartialBlob } from '../store/index.ts'
import type { ReadInto } from './piece-buffers.ts'
import type { PieceHashes } from './piece-hashes.ts'

interface KeptProofsDeps {
  readonly partial: PartialBlob
  readonly pieceHashes: PieceHashes
  /** Reads pieces that are here, compared with what they are kept by. */
  readonly readInto: ReadInto
}

/** What the pieces that are here were compared with, where others know them, or want to, by the other kind of proof. */
export class KeptProofs {
  readonly #deps: KeptProofsDeps
  /** Set once a host of before takes part. */
  #hashed: Promise<void> | undefined

  constructor(deps: KeptProofsDeps) {
    this.#deps = deps
  }

  /** A piece comes that this has proven. */
  came(piece: number, bytes: Uint8Array, proof: Uint8Array): void {
    if (this.#hashed !== undefined && isLink(proof)) this.#deps.pieceHashes.equate(piece, proof, hashOf(bytes))
  }

  /** Once it resolves every piece that is here has a hash, too, and so has what comes: a host of before takes nothing else. */
  hashed(): Promise<void> {
    this.#hashed ??= this.#each(setBits(this.#deps.partial.have), (piece, bytes, kept) => this.came(piece, bytes, kept))
    return this.#hashed
  }

  /** Which of these pieces are here by a proof that nobody vouches for, while somebody vouches for another. */
  otherwise(first: number, count: number): number[] {
    const { partial, pieceHashes } = this.#deps
    const found: number[] = []
    for (let piece = first; piece < first + count && partial.have.count > 0; piece++) {
      const kept = partial.have.has(piece) ? partial.hash(piece) : undefined
      if (kept !== undefined && pieceHashes.trusted(piece) && !pieceHashes.trusts(piece, kept)) found.push(piece)
    }
    return found
  }

  /** Compares such pieces with what is vouched for. Answers which are something else. */
  async wrongOf(pieces: readonly number[]): Promise<number[]> {
    const { partial, pieceHashes } = this.#deps
    const wrong: number[] = []
    await this.#each(pieces, (piece, bytes, kept) => {
      const known = pieceHashes.hash(piece)
      if (known === undefined) return
      if (isProvenBy(known, partial.layout, piece, bytes)) pieceHashes.equate(piece, known, kept)
      else wrong.push(piece)
    })
    return wrong
  }

  /** Shows pieces that are here, one after another in the same memory, with what each is kept by. One that cannot be read is missing again, or will be. */
  async #each(
    pieces: Iterable<number>,
    look: (piece: number, bytes: Uint8Array, kept: Uint8Array) => void,
  ): Promise<void> {
    const { partial, readInto } = this.#deps
    const { layout, have } = partial
    let memory: Uint8Array | undefined
    for (const piece of pieces) {
      const kept = have.has(piece) ? partial.hash(piece) : undefined
      if (kept === undefined) continue
      memory ??= new Uint8Array(layout.pieceSize)
      const bytes = memory.subarray(0, layout.length(piece))
      const isRead = await readInto(bytes, layout.range(piece).start).then(
        () => true,
        () => false,
      )
      if (isRead && have.has(piece)) look(piece, bytes, kept)
    }
  }
}
