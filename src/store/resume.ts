import type { ContentFile } from '../base/file-pool.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import { ProofTable } from '../piece/proof-table.ts'
import { readIfThere } from './files.ts'
import type { PartialContent } from './partial-blob.ts'
import { pieceMatches } from './piece-check.ts'
import { decodePieceRow, parsePieceKey, pieceKey, piecePrefix } from './rows.ts'
import type { StoreIndex } from './store-index.ts'

export interface Resumed {
  readonly content: PartialContent
  /** Bytes of the pieces in `content.have`. */
  readonly storedBytes: number
  /** Keys of rows whose piece is not in the file: power was lost before its pages reached the disk, or the disk changed it. */
  readonly brokenKeys: readonly string[]
}

/** Reads back every piece the index claims, one at a time, and keeps those whose bytes still have their proof. */
export async function resumePieces(index: StoreIndex, layout: PieceLayout, file: ContentFile): Promise<Resumed> {
  const claimed = new Bitfield(layout.count)
  const proofs = new ProofTable(layout.count)
  const brokenKeys: string[] = []
  for await (const [key, value] of index.entries(piecePrefix(layout.digest))) {
    const piece = parsePieceKey(key)?.piece ?? layout.count
    const proof = decodePieceRow(value)
    if (proof === undefined || !claimed.set(piece)) brokenKeys.push(key)
    else proofs.set(piece, proof)
  }
  const have = new Bitfield(layout.count)
  const proofOf = (piece: number): Uint8Array | undefined => proofs.get(piece)
  const buffer = new Uint8Array(claimed.count === 0 ? 0 : layout.pieceSize)
  let storedBytes = 0
  for (let piece = 0; piece < layout.count; piece++) {
    if (!claimed.has(piece)) continue
    const bytes = buffer.subarray(0, layout.length(piece))
    const isRead = await readIfThere(file, bytes, layout.range(piece).start)
    if (isRead && pieceMatches(layout, piece, bytes, proofOf)) {
      have.set(piece)
      storedBytes += bytes.length
    } else {
      brokenKeys.push(pieceKey(layout.digest, piece))
    }
  }
  return { content: { layout, have, proofs }, storedBytes, brokenKeys }
}
