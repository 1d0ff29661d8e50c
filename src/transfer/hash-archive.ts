import { decode, encode } from 'cborg'
import { z } from 'zod'
import type { Digest } from '../oci/digest.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { BlobStore, StoreTable, TableCodec } from '../store/index.ts'
import type { HashRun } from '../swarm/index.ts'
import type { Signer } from './hash-book.ts'
import { HASH_BYTES } from './hash-book.ts'
import type { PieceBuffers } from './piece-buffers.ts'
import { sha256Of } from './transfer.ts'

const runsSchema = z.array(
  z.object({
    first: z.int().nonnegative(),
    hashes: z.instanceof(Uint8Array),
    signature: z.instanceof(Uint8Array).optional(),
  }),
)

const codec: TableCodec<HashRun[]> = {
  encode: (runs) => encode(runs),
  decode: (bytes) => {
    try {
      return runsSchema.safeParse(decode(bytes)).data
    } catch {
      return undefined
    }
  },
}

/** The piece hashes of complete blobs, kept beside them so that a home can introduce a new leecher at once. */
export class HashArchive {
  readonly #store: BlobStore
  readonly #table: StoreTable<HashRun[]>
  readonly #buffers: PieceBuffers

  constructor(store: BlobStore, buffers: PieceBuffers) {
    this.#store = store
    this.#table = store.table('hashes', codec)
    this.#buffers = buffers
  }

  async save(layout: PieceLayout, runs: HashRun[]): Promise<void> {
    await this.#table.put(layout.digest, runs)
  }

  /**
   * Whether peers may have this blob by its digest alone: it came through a swarm, or its home has checked a member's
   * access to it. What was fetched in one client's name has no row here.
   */
  async shareable(digest: Digest): Promise<boolean> {
    return (await this.#table.get(digest)) !== undefined
  }

  /** Drops the rows of blobs that are gone. */
  async sweep(): Promise<void> {
    for await (const [digest] of this.#table.entries('')) {
      if (this.#store.size(digest as Digest) === undefined) await this.#table.delete(digest)
    }
  }

  /** The runs of a complete blob; read from the content itself when they were never saved. Undefined without the blob. */
  async load(layout: PieceLayout, sign: Signer | undefined): Promise<HashRun[] | undefined> {
    const saved = await this.#table.get(layout.digest)
    if (saved !== undefined && covers(saved, layout.count)) return saved
    const hashes = await this.#hash(layout)
    if (hashes === undefined) return undefined
    const runs = [sign === undefined ? { first: 0, hashes } : { first: 0, hashes, signature: sign(0, hashes) }]
    await this.save(layout, runs)
    return runs
  }

  async #hash(layout: PieceLayout): Promise<Uint8Array | undefined> {
    const stored = await this.#store.open(layout.digest)
    if (stored === undefined) return undefined
    const buffer = this.#buffers.take(layout.pieceSize, layout.pieceSize)
    try {
      const hashes = new Uint8Array(layout.count * HASH_BYTES)
      for (let piece = 0; piece < layout.count; piece++) {
        const bytes = buffer.subarray(0, layout.length(piece))
        await stored.readInto(bytes, layout.range(piece).start)
        hashes.set(sha256Of(bytes), piece * HASH_BYTES)
      }
      return hashes
    } finally {
      this.#buffers.give(buffer)
      await stored[Symbol.asyncDispose]()
    }
  }
}

/** Runs that a peer handed on may overlap and leave gaps. */
function covers(runs: readonly HashRun[], count: number): boolean {
  const known = new Bitfield(count)
  for (const { first, hashes } of runs) for (let i = 0; i < hashes.length / HASH_BYTES; i++) known.set(first + i)
  return known.complete
}
