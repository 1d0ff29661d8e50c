import { ShoalError } from '../base/errors.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import { packedProofs } from '../piece/piece-proof.ts'
import type { PartialBlob } from './interface.ts'

interface Kept {
  readonly bytes: Uint8Array
  readonly proof: Uint8Array
}

/** A partial whose pieces lie in memory. It stands in for the disk when there is no room on it; its user bounds what it keeps. */
export class MemoryPartial implements PartialBlob {
  readonly layout: PieceLayout
  readonly have: Bitfield
  /** The least recently used first. */
  readonly #pieces = new Map<number, Kept>()

  constructor(layout: PieceLayout) {
    this.layout = layout
    this.have = new Bitfield(layout.count)
  }

  /** The pieces that are here, the least recently used first. */
  get kept(): number[] {
    return [...this.#pieces.keys()]
  }

  hash(piece: number): Uint8Array | undefined {
    return this.#pieces.get(piece)?.proof
  }

  async write(piece: number, bytes: Uint8Array, proof: Uint8Array): Promise<void> {
    this.#pieces.set(piece, { bytes: bytes.slice(), proof })
    this.have.set(piece)
  }

  async readInto(target: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const piece = this.layout.pieceAt(offset + done)
      const kept = this.#pieces.get(piece)
      if (kept !== undefined && this.#pieces.delete(piece)) this.#pieces.set(piece, kept)
      if (kept === undefined) throw new ShoalError('STORE_FAILED', 'a piece that was let go is read again')
      const from = offset + done - this.layout.range(piece).start
      const part = kept.bytes.subarray(from, from + target.length - done)
      target.set(part, done)
      done += part.length
    }
  }

  readUnchecked(target: Uint8Array, offset: number): Promise<void> {
    return this.readInto(target, offset)
  }

  /** Memory is taken at its word. */
  async recheck(): Promise<number[]> {
    return []
  }

  async drop(pieces: Iterable<number>): Promise<void> {
    for (const piece of pieces) {
      this.#pieces.delete(piece)
      this.have.clear(piece)
    }
  }

  async commit(states?: Uint8Array): Promise<void> {
    if (states === undefined) return
    const proofs = packedProofs(this.layout, states)
    for (const [piece, { bytes, proof }] of this.#pieces)
      this.#pieces.set(piece, { bytes, proof: proofs(piece) ?? proof })
  }

  async discard(): Promise<void> {
    this.#pieces.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pieces.clear()
  }
}
