import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PieceBuffers } from './piece-buffers.ts'

/** A piece of which the first `filled` bytes have come. */
export interface HalfPiece {
  readonly piece: number
  readonly buffer: Uint8Array<ArrayBuffer>
  readonly filled: number
}

interface CutterDeps {
  readonly layout: PieceLayout
  readonly buffers: PieceBuffers
  /** Whether a piece is still of use. */
  readonly wanted: (piece: number) => boolean
}

/** Cuts the bytes of consecutive pieces, as they come, into whole ones. Owns the buffer of the piece it is at. */
export class PieceCutter {
  readonly #deps: CutterDeps
  #piece: number
  #filled: number
  /** Undefined while the piece it is at is of no use. */
  #buffer: Uint8Array<ArrayBuffer> | undefined
  #begun: boolean

  /** Goes on with `half`, which it owns from here on, or begins with the first byte of `piece`. */
  constructor(deps: CutterDeps, start: number | HalfPiece) {
    this.#deps = deps
    const half = typeof start === 'number' ? undefined : start
    this.#piece = typeof start === 'number' ? start : start.piece
    this.#filled = half?.filled ?? 0
    this.#buffer = half?.buffer
    this.#begun = half !== undefined
  }

  /** The whole pieces that `chunk` ends, one after another. Whoever takes one owns its buffer. */
  *cut(chunk: Uint8Array): Iterable<{ readonly piece: number; readonly bytes: Uint8Array<ArrayBuffer> }> {
    const { layout } = this.#deps
    for (let taken = 0; taken < chunk.length && this.#piece < layout.count; ) {
      this.#begin()
      const length = layout.length(this.#piece)
      const part = chunk.subarray(taken, taken + length - this.#filled)
      this.#buffer?.set(part, this.#filled)
      taken += part.length
      this.#filled += part.length
      if (this.#filled < length) continue
      const piece = this.#piece++
      const bytes = this.#buffer
      this.#filled = 0
      this.#buffer = undefined
      this.#begun = false
      if (bytes !== undefined) yield { piece, bytes }
    }
  }

  /** What there is of the piece it is at; whoever takes it owns its buffer. */
  rest(): HalfPiece | undefined {
    const buffer = this.#buffer
    this.#buffer = undefined
    return buffer === undefined ? undefined : { piece: this.#piece, buffer, filled: this.#filled }
  }

  #begin(): void {
    if (this.#begun) return
    const { layout, buffers, wanted } = this.#deps
    this.#begun = true
    if (wanted(this.#piece)) this.#buffer = buffers.take(layout.pieceSize, layout.length(this.#piece))
  }
}
