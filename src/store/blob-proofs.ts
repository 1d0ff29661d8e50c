import type { ContentFile } from '../base/file-pool.ts'
import { digestHasher, digestHex } from '../oci/digest.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import { PROOF_BYTES, proofFromDigest, proofOf } from '../piece/piece-proof.ts'
import { readIfThere } from './files.ts'
import { decodeProofsRow, proofsKey } from './rows.ts'
import type { IndexWrite, StoreIndex } from './store-index.ts'

/** The proofs of complete blobs' pieces, in the index. Lost ones are made anew only while the digest proves the whole. */
export class BlobProofs {
  readonly #index: StoreIndex

  constructor(index: StoreIndex) {
    this.#index = index
  }

  /** One after another, `PROOF_BYTES` each. */
  async find(layout: PieceLayout): Promise<Uint8Array | undefined> {
    return toldByDigest(layout) ?? decodeProofsRow(await this.#index.get(proofsKey(layout.digest)), layout.count)
  }

  /** Reads the whole blob. Undefined when it is not what its digest says. The caller holds the digest's lock. */
  async make(layout: PieceLayout, file: ContentFile): Promise<Uint8Array | undefined> {
    const whole = digestHasher(layout.digest)
    const packed = new Uint8Array(layout.count * PROOF_BYTES)
    const buffer = new Uint8Array(Math.min(layout.pieceSize, layout.size))
    for (let piece = 0; piece < layout.count; piece++) {
      const bytes = buffer.subarray(0, layout.length(piece))
      if (!(await readIfThere(file, bytes, layout.range(piece).start))) return undefined
      whole.update(bytes)
      packed.set(proofOf(bytes), piece * PROOF_BYTES)
    }
    if (whole.digest('hex') !== digestHex(layout.digest)) return undefined
    await this.#index.write(proofsRow(layout, packed), { sync: false })
    return packed
  }
}

/** What the index must keep of a complete blob's proofs: nothing where the digest tells them. */
export function proofsRow(layout: PieceLayout, packed: Uint8Array): IndexWrite[] {
  return toldByDigest(layout) === undefined ? [[proofsKey(layout.digest), packed]] : []
}

function toldByDigest({ digest, count }: PieceLayout): Uint8Array | undefined {
  if (count === 0) return new Uint8Array()
  return count === 1 ? proofFromDigest(digest) : undefined
}

/** The proofs of a blob that is whole in memory, and proven. */
export function proofsOfBytes(layout: PieceLayout, bytes: Uint8Array): Uint8Array {
  const packed = new Uint8Array(layout.count * PROOF_BYTES)
  for (let piece = 0; piece < layout.count; piece++) {
    const { start, end } = layout.range(piece)
    packed.set(proofOf(bytes.subarray(start, end)), piece * PROOF_BYTES)
  }
  return packed
}
