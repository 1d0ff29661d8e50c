import type { ContentFile } from '../base/file-pool.ts'
import { digestHasher, digestHex } from '../oci/digest.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import { areStates, hasChain, leadToDigest, ProofMaker, proofFromDigest } from '../piece/piece-proof.ts'
import { readIfThere } from './files.ts'
import { decodeProofsRow, proofsKey } from './rows.ts'
import type { IndexWrite, StoreIndex } from './store-index.ts'

/** The proofs of complete blobs' pieces, in the index. Lost ones are made anew only while the digest proves the whole. */
export class BlobProofs {
  readonly #index: StoreIndex

  constructor(index: StoreIndex) {
    this.#index = index
  }

  /** Packed (`packProofs`). */
  async find(layout: PieceLayout): Promise<Uint8Array | undefined> {
    return toldByDigest(layout) ?? decodeProofsRow(await this.#index.get(proofsKey(layout.digest)), layout.count)
  }

  /** See `BlobStore.keepStates`. The caller holds the digest's lock. */
  async keepStates(layout: PieceLayout, states: Uint8Array): Promise<void> {
    if (!areStates(layout, states) || !leadToDigest(layout, states)) return
    await this.#index.write(proofsRow(layout, states), { sync: false })
  }

  /** Reads the whole blob. Undefined when it is not what its digest says. The caller holds the digest's lock. */
  async make(layout: PieceLayout, file: ContentFile): Promise<Uint8Array | undefined> {
    const whole = hasChain(layout) ? undefined : digestHasher(layout.digest)
    const maker = new ProofMaker(layout)
    const buffer = new Uint8Array(Math.min(layout.pieceSize, layout.size))
    for (let piece = 0; piece < layout.count; piece++) {
      const bytes = buffer.subarray(0, layout.length(piece))
      if (!(await readIfThere(file, bytes, layout.range(piece).start))) return undefined
      whole?.update(bytes)
      maker.take(piece, bytes)
    }
    const { packed } = maker
    const isWhole =
      whole === undefined ? leadToDigest(layout, packed) : whole.digest('hex') === digestHex(layout.digest)
    if (!isWhole) return undefined
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
  const maker = new ProofMaker(layout)
  for (let piece = 0; piece < layout.count; piece++) {
    const { start, end } = layout.range(piece)
    maker.take(piece, bytes.subarray(start, end))
  }
  return maker.packed
}
