import { ShoalError } from '../base/errors.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PartialBlob } from './interface.ts'

interface Kept {
  readonly bytes: Uint8Array
  readonly sha256: Uint8Array
}

/**
 * A partial that keeps nothing: pieces wait in memory until the one reader has passed them. It stands in for the disk
 * when there is no room on it, so that a pull goes through all the same. The caller keeps requests inside a window.
 */
export class MemoryPartial implements PartialBlob {
  readonly layout: PieceLayout
  readonly have: Bitfield
  readonly #pieces = new Map<number, Kept>()
  readonly #window: number
  #start = 0

  /** `window`: how many pieces it is to hold. */
  constructor(layout: PieceLayout, window: number) {
    this.layout = layout
    this.#window = window
    this.have = new Bitfield(layout.count)
  }

  hash(piece: number): Uint8Array | undefined {
    return this.#pieces.get(piece)?.sha256
  }

  async write(piece: number, bytes: Uint8Array, sha256: Uint8Array): Promise<void> {
    this.#pieces.set(piece, { bytes: bytes.slice(), sha256 })
    this.have.set(piece)
  }

  async readInto(target: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const piece = this.layout.pieceAt(offset + done)
      const kept = this.#pieces.get(piece)
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

  /** The first piece that has not been let go of. */
  get start(): number {
    return this.#start
  }

  hasRoomFor(piece: number): boolean {
    return piece < this.#start + this.#window
  }

  /** Lets go of everything before `piece`. */
  passed(piece: number): void {
    this.#start = Math.max(this.#start, piece)
    for (const kept of this.#pieces.keys()) if (kept < piece) this.#pieces.delete(kept)
  }

  async commit(): Promise<void> {}

  async discard(): Promise<void> {
    this.#pieces.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pieces.clear()
  }
}
