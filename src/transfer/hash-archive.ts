import { decode, encode } from 'cborg'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import type { Digest } from '../oci/digest.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { BlobStore, StoreTable, TableCodec } from '../store/index.ts'
import type { HashRun } from '../swarm/index.ts'
import type { Signer } from './piece-hashes.ts'
import { HASH_BYTES, sameBytes } from './piece-hashes.ts'

const SIGNED_BYTES = 4 * 1024 * 1024
/** Short, so that what is signed is signed with today's credentials. */
const SIGNED_MS = 60_000

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

/** The signed piece hashes of complete blobs, as caches gave them, and which blobs peers may have. */
export class HashArchive {
  readonly #store: BlobStore
  readonly #table: StoreTable<HashRun[]>
  /** In a burst all hosts of a region ask for the same few. */
  readonly #signed: LRUCache<Digest, HashRun[]>

  constructor(store: BlobStore, clock: Pick<Clock, 'now'>) {
    this.#store = store
    this.#signed = new LRUCache({ max: 64, maxSize: SIGNED_BYTES, ttl: SIGNED_MS, perf: clock, ttlResolution: 0 })
    this.#table = store.table('hashes', codec)
    // what is fetched again may have other hashes: it may have been the kept one that was wrong
    store.onDamage(({ digest }) => void this.#signed.delete(digest))
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

  /**
   * What to tell others of a complete blob's hashes: signed now by who may, over what the store keeps as proven by the
   * digest; else what a cache has signed of that; else this host's own word. Undefined without the blob.
   */
  async load(layout: PieceLayout, sign: Signer | undefined): Promise<HashRun[] | undefined> {
    const { digest, count } = layout
    const signed = sign === undefined || this.#store.size(digest) === undefined ? undefined : this.#signed.get(digest)
    if (signed !== undefined) return signed
    const hashes = await this.#store.proofs(digest)
    if (hashes === undefined) return undefined
    const saved = await this.#table.get(digest)
    if (sign === undefined && saved !== undefined && covers(saved, count, hashes)) return saved
    const runs = [sign === undefined ? { first: 0, hashes } : { first: 0, hashes, signature: sign(0, hashes) }]
    const isStillHere = this.#store.size(digest) !== undefined
    if (sign !== undefined && isStillHere) this.#signed.set(digest, runs, { size: hashes.length + 1 })
    // the row says that peers may have the blob
    if (saved === undefined) await this.save(layout, runs)
    return runs
  }
}

/** Whether the runs, which may overlap and leave gaps, say of every piece what is proven, and nothing else. */
function covers(runs: readonly HashRun[], count: number, proven: Uint8Array): boolean {
  const known = new Bitfield(count)
  for (const { first, hashes } of runs) {
    const start = first * HASH_BYTES
    if (!sameBytes(hashes, proven.subarray(start, start + hashes.length))) return false
    for (let i = 0; i < hashes.length / HASH_BYTES; i++) known.set(first + i)
  }
  return known.complete
}
