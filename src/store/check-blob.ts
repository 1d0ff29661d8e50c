import { isShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import type { BlobStore } from './interface.ts'

type BlobCheck =
  | { readonly kind: 'good' }
  /** Dropped by now. `pieces`: which were found; none when the blob was dropped before one could be read. */
  | { readonly kind: 'damaged'; readonly pieces: readonly number[] }
  /** Not here, or not any more. */
  | { readonly kind: 'absent' }

/**
 * Reads a complete blob and compares all of it. What is damaged is dropped, as whenever it is read (`onDamage`). Does not count
 * as a use. `pace` is awaited before each read of this many bytes, and ends the check by rejecting.
 */
export async function checkBlob(
  store: Pick<BlobStore, 'open' | 'size'>,
  digest: Digest,
  pace: (bytes: number) => Promise<void>,
): Promise<BlobCheck> {
  const size = store.size(digest)
  await using blob = await store.open(digest, 'check')
  if (blob === undefined) return size === undefined ? { kind: 'absent' } : { kind: 'damaged', pieces: [] }
  const { layout } = blob
  const buffer = Buffer.allocUnsafeSlow(Math.min(layout.pieceSize, layout.size))
  const pieces: number[] = []
  for (let piece = 0; piece < layout.count; piece++) {
    const bytes = buffer.subarray(0, layout.length(piece))
    await pace(bytes.length)
    try {
      await blob.readInto(bytes, layout.range(piece).start)
    } catch (error) {
      if (!isShoalError(error, 'STORE_CORRUPT')) throw error
      pieces.push(piece)
    }
  }
  return pieces.length === 0 ? { kind: 'good' } : { kind: 'damaged', pieces }
}
