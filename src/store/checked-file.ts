import { ShoalError } from '../base/errors.ts'
import type { ContentFile } from '../base/file-pool.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PieceProofs } from '../piece/piece-proof.ts'
import { readIfThere, storeError } from './files.ts'
import { pieceMatches } from './piece-check.ts'
import type { RecentPieces } from './recent-pieces.ts'

interface CheckedFileParts {
  readonly layout: PieceLayout
  readonly file: ContentFile
  readonly proofs: PieceProofs
  /** Where pieces of which only a part was asked for stay for a while; undefined: nowhere. */
  readonly recent?: RecentPieces | undefined
}

/**
 * The one way from a blob's file to whoever wants its bytes: whole pieces are read and compared with their proofs, so that
 * nothing leaves that a disk has changed. A range costs the pieces it touches.
 */
export class CheckedFile {
  readonly #parts: CheckedFileParts

  constructor(parts: CheckedFileParts) {
    this.#parts = parts
  }

  /**
   * Fills `target` from byte `offset` on; its content is arbitrary until this resolves. Returns the first piece that is not
   * what it was, or undefined when all are. Throws `STORE_FAILED`.
   */
  async readInto(target: Uint8Array, offset: number): Promise<number | undefined> {
    const { layout } = this.#parts
    for (let done = 0; done < target.length; ) {
      const piece = layout.pieceAt(offset + done)
      const { start, end } = layout.range(piece)
      const from = offset + done
      const part = target.subarray(done, done + Math.min(end - from, target.length - done))
      const good = part.length === end - start ? await this.#read(piece, part) : await this.#readPart(piece, part, from)
      if (!good) return piece
      done += part.length
    }
    return undefined
  }

  async #read(piece: number, bytes: Uint8Array): Promise<boolean> {
    const { layout, file, proofs } = this.#parts
    const isRead = await readIfThere(file, bytes, layout.range(piece).start).catch((error) => {
      throw storeError(error, `blob ${layout.digest} cannot be read`)
    })
    return isRead && pieceMatches(layout, piece, bytes, proofs)
  }

  async #readPart(piece: number, part: Uint8Array, offset: number): Promise<boolean> {
    const { layout, recent } = this.#parts
    let whole = recent?.get(layout.digest, piece)
    if (whole === undefined) {
      whole = Buffer.allocUnsafeSlow(layout.length(piece))
      if (!(await this.#read(piece, whole))) return false
      recent?.add(layout.digest, piece, whole)
    }
    const start = offset - layout.range(piece).start
    part.set(whole.subarray(start, start + part.length))
    return true
  }
}

/** What a reader is told about a piece that the disk has changed: it can be had elsewhere. */
export function damagedError(layout: PieceLayout, piece: number): ShoalError {
  return new ShoalError('STORE_CORRUPT', `piece ${piece} of ${layout.digest} is damaged on disk and has been dropped`, {
    details: { digest: layout.digest, piece },
  })
}
