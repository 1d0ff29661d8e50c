import { isShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import { areStates, hasChain, ProofMaker } from '../piece/piece-proof.ts'
import type { BlobStore } from './interface.ts'

type BlobCheck =
  | { readonly kind: 'good' }
  /** Dropped by now. `pieces`: which were found; none when the blob was dropped before one could be read. */
  | { readonly kind: 'damaged'; readonly pieces: readonly number[] }
  /** Not here, or not any more. */
  | { readonly kind: 'absent' }

/**
 * Reads a complete blob and compares all of it. What is damaged is dropped, as whenever it is read (`onDamage`). Does not count
 * as a use, and gives a blob that has hashes its states. `pace` is awaited before each read of this many bytes, and ends the
 * check by rejecting.
 */
export async function checkBlob(
  store: Pick<BlobStore, 'open' | 'size' | 'proofs' | 'keepStates'>,
  digest: Digest,
  pace: (bytes: number) => Promise<void>,
): Promise<BlobCheck> {
  const size = store.size(digest)
  await using blob = await store.open(digest, 'check')
  if (blob === undefined) return size === undefined ? { kind: 'absent' } : { kind: 'damaged', pieces: [] }
  const { layout } = blob
  const buffer = Buffer.allocUnsafeSlow(Math.min(layout.pieceSize, layout.size))
  const pieces: number[] = []
  const maker = (await lacksStates(store, layout)) ? new ProofMaker(layout) : undefined
  for (let piece = 0; piece < layout.count; piece++) {
    const bytes = buffer.subarray(0, layout.length(piece))
    await pace(bytes.length)
    try {
      await blob.readInto(bytes, layout.range(piece).start)
      maker?.take(piece, bytes)
    } catch (error) {
      if (!isShoalError(error, 'STORE_CORRUPT')) throw error
      pieces.push(piece)
    }
  }
  if (pieces.length > 0) return { kind: 'damaged', pieces }
  if (maker !== undefined) await store.keepStates(digest, maker.packed)
  return { kind: 'good' }
}

async function lacksStates(store: Pick<BlobStore, 'proofs'>, layout: PieceLayout): Promise<boolean> {
  return hasChain(layout) && !areStates(layout, (await store.proofs(layout.digest)) ?? new Uint8Array())
}
