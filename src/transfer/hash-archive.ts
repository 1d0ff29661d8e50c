import { decode, encode } from 'cborg'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import { SingleFlight } from '../base/single-flight.ts'
import type { Digest } from '../oci/digest.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PieceProofs } from '../piece/piece-proof.ts'
import { areStates, HASH_BYTES, hashOf, packedProofs } from '../piece/piece-proof.ts'
import type { BlobStore, StoreTable, TableCodec } from '../store/index.ts'
import type { HashRun } from '../swarm/index.ts'
import type { ProofKind, Signer } from './hash-run.ts'
import { ALL_KINDS, countOf, isProofIn, kindOfProof, kindOfRun, runOfProofs } from './hash-run.ts'

const SIGNED_BYTES = 4 * 1024 * 1024
/** Short, so that what is signed is signed with today's credentials. */
const SIGNED_MS = 60_000
const NEVER = new AbortController().signal

const runsSchema = z.array(
  z.object({
    first: z.int().nonnegative(),
    hashes: z.instanceof(Uint8Array),
    before: z.instanceof(Uint8Array).optional(),
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

/** The signed piece hashes and states of complete blobs, as caches gave them, and which blobs peers may have. */
export class HashArchive {
  readonly #store: BlobStore
  readonly #table: StoreTable<HashRun[]>
  /** In a burst all hosts of a region ask for the same few. */
  readonly #signed: LRUCache<string, HashRun[]>
  readonly #making = new SingleFlight<PieceProofs | undefined>()

  constructor(store: BlobStore, clock: Pick<Clock, 'now'>) {
    this.#store = store
    this.#signed = new LRUCache({ max: 64, maxSize: SIGNED_BYTES, ttl: SIGNED_MS, perf: clock, ttlResolution: 0 })
    this.#table = store.table('hashes', codec)
    // what is fetched again may have other hashes: it may have been the kept one that was wrong
    store.onDamage(({ digest }) => {
      for (const name of [nameOf(digest, ['hash']), nameOf(digest, ALL_KINDS)]) this.#signed.delete(name)
    })
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
   * What to tell others, who take these kinds of proofs, of a complete blob: signed now by who may, over what the store keeps as
   * proven by the digest; else what a cache has signed of that; else this host's own word. Undefined without the blob.
   */
  async load(
    layout: PieceLayout,
    sign: Signer | undefined,
    kinds: readonly ProofKind[] = ALL_KINDS,
  ): Promise<HashRun[] | undefined> {
    const { digest, count } = layout
    const name = nameOf(digest, kinds)
    const signed = sign === undefined || this.#store.size(digest) === undefined ? undefined : this.#signed.get(name)
    if (signed !== undefined) return signed
    const packed = await this.#store.proofs(digest)
    if (packed === undefined) return undefined
    const saved = await this.#table.get(digest)
    const proven = packedProofs(layout, packed)
    if (sign === undefined && saved !== undefined) {
      const known = saved.filter(
        (run) => run.signature !== undefined && kinds.includes(kindOfRun(run)) && holds(run, proven),
      )
      if (coverAll(known, count)) return known
    }
    const proofs = kinds.includes('link') || !areStates(layout, packed) ? proven : await this.#hashesOf(layout, saved)
    if (proofs === undefined) return undefined
    const runs = [runOfProofs(0, allOf(proofs, count), sign)]
    const isStillHere = this.#store.size(digest) !== undefined
    if (sign !== undefined && isStillHere) this.#signed.set(name, runs, { size: packed.length + 1 })
    // the row says that peers may have the blob
    if (saved === undefined) await this.save(layout, runs)
    return runs
  }

  /** The hashes of a blob of which the store keeps states. Made once: the row keeps them. */
  async #hashesOf(layout: PieceLayout, saved: readonly HashRun[] = []): Promise<PieceProofs | undefined> {
    const { digest, count } = layout
    const isWhole = ({ first, hashes, signature, before }: HashRun): boolean =>
      first === 0 && hashes.length === count * HASH_BYTES && signature === undefined && before === undefined
    const known = saved.find(isWhole)
    if (known !== undefined) return packedProofs(layout, known.hashes)
    const make = async (): Promise<PieceProofs | undefined> => {
      const hashes = await this.#hash(layout)
      if (hashes === undefined) return undefined
      await this.save(layout, [...saved, runOfProofs(0, hashes)])
      return (piece) => hashes[piece]
    }
    return await this.#making.run(digest, make, NEVER)
  }

  /** Undefined when the blob is gone, or the disk has changed it: then it is dropped. */
  async #hash(layout: PieceLayout): Promise<Uint8Array[] | undefined> {
    try {
      await using blob = await this.#store.open(layout.digest, 'check')
      if (blob === undefined) return undefined
      const hashes: Uint8Array[] = []
      const buffer = new Uint8Array(layout.pieceSize)
      for (let piece = 0; piece < layout.count; piece++) {
        const bytes = buffer.subarray(0, layout.length(piece))
        await blob.readInto(bytes, layout.range(piece).start)
        hashes.push(hashOf(bytes))
      }
      return hashes
    } catch (error) {
      if (isShoalError(error, 'STORE_CORRUPT')) return undefined
      throw error
    }
  }
}

/** Whether what a run says is proven, as far as the same kind of proof is kept; what else was saved held when it was. */
function holds(run: HashRun, proven: PieceProofs): boolean {
  for (let i = 0; i < countOf(run); i++) {
    const proof = proven(run.first + i)
    if (proof === undefined) return false
    if (kindOfProof(proof) === kindOfRun(run) && !isProofIn(run, i, proof)) return false
  }
  return true
}

/** Whether the runs, which may overlap and leave gaps, say something of every piece. */
function coverAll(runs: readonly HashRun[], count: number): boolean {
  const known = new Bitfield(count)
  for (const run of runs) for (let i = 0; i < countOf(run); i++) known.set(run.first + i)
  return known.complete
}

function nameOf(digest: Digest, kinds: readonly ProofKind[]): string {
  return `${kinds.join()} ${digest}`
}

function allOf(proofs: PieceProofs, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, piece) => proofs(piece) ?? new Uint8Array())
}
