import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { Bitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import { readFully } from './files.ts'
import type { PartialContent } from './partial-blob.ts'
import { decodePieceRow, HASH_BYTES, parsePieceKey, piecePrefix } from './rows.ts'
import type { StoreIndex } from './store-index.ts'

export interface Resumed {
  readonly content: PartialContent
  /** Bytes of the pieces in `content.have`. */
  readonly storedBytes: number
  /** Keys of rows whose piece is not in the file: power was lost before its pages reached the disk. */
  readonly brokenKeys: readonly string[]
}

/** Reads back every piece the index claims, one at a time, and keeps those whose bytes still have their hash. */
export async function resumePieces(index: StoreIndex, layout: PieceLayout, file: FileHandle): Promise<Resumed> {
  const have = new Bitfield(layout.count)
  const hashes = new Uint8Array(layout.count * HASH_BYTES)
  const brokenKeys: string[] = []
  const prefix = piecePrefix(layout.digest)
  let buffer: Uint8Array | undefined
  let storedBytes = 0
  for await (const [key, value] of index.entries(prefix)) {
    const piece = parsePieceKey(key)?.piece ?? layout.count
    const claimed = decodePieceRow(value)
    if (piece >= layout.count || claimed === undefined) {
      brokenKeys.push(key)
      continue
    }
    buffer ??= new Uint8Array(Math.min(layout.pieceSize, layout.size))
    const bytes = buffer.subarray(0, layout.length(piece))
    await readFully(file, bytes, layout.range(piece).start)
    if (Buffer.compare(createHash('sha256').update(bytes).digest(), claimed) !== 0) {
      brokenKeys.push(key)
      continue
    }
    have.set(piece)
    hashes.set(claimed, piece * HASH_BYTES)
    storedBytes += bytes.length
  }
  return { content: { layout, have, hashes }, storedBytes, brokenKeys }
}
