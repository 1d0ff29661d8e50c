import { ProofMaker } from '../piece/piece-proof.ts'
import type { PartialBlob, StoredBlob } from './interface.ts'

/** The whole content of an open blob, which is closed afterwards. */
export async function copyBlob(blob: StoredBlob | undefined): Promise<Uint8Array | undefined> {
  if (blob === undefined) return undefined
  await using open = blob
  const bytes = new Uint8Array(open.size)
  await open.readInto(bytes, 0)
  return bytes
}

/** Writes a blob's whole, proven content into its partial and makes it a blob. */
export async function writeAll(partial: PartialBlob, bytes: Uint8Array): Promise<void> {
  const { layout } = partial
  const maker = new ProofMaker(layout)
  for (let piece = 0; piece < layout.count; piece++) {
    const { start, end } = layout.range(piece)
    const part = bytes.subarray(start, end)
    await partial.write(piece, part, maker.take(piece, part))
  }
  await partial.commit()
}
