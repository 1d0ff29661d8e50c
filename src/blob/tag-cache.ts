import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryRef, TagRef } from '../oci/reference.ts'
import { tagName } from '../oci/reference.ts'
import { digestSchema } from '../oci/schema.ts'
import type { BlobStore, StoreTable } from '../store/index.ts'
import { jsonCodec } from '../store/index.ts'
import type { TagProof } from './requests.ts'

/** On whose word a tag is kept: the origin's own, a cache's signature, or a cache's over its own link. */
const SOURCES = ['origin', 'signature', 'cache'] as const

export const tagRowSchema = z.object({
  digest: digestSchema,
  etag: z.string().optional(),
  /** When the upstream last confirmed it. */
  confirmedEpochMs: z.number(),
  /** Rows of up to 0.1.0 do not say. */
  source: z.enum(SOURCES).optional(),
  /** The signature (base64), and what is signed beside the tag and its digest. */
  proof: z
    .object({
      region: z.string(),
      mediaType: z.string(),
      confirmedEpochMs: z.int().nonnegative(),
      signature: z.base64(),
    })
    .optional(),
})

type Row = z.infer<typeof tagRowSchema>

/** The last known answer for a tag. */
export interface KnownTag {
  readonly digest: Digest
  readonly etag?: string | undefined
  /** When the upstream last confirmed it, by this host's clock. */
  readonly confirmedEpochMs: number
  /** Without a proof: a cache's word counts for this host, and is not passed on. */
  readonly source: (typeof SOURCES)[number]
  readonly proof?: KnownProof | undefined
}

/** A cache's signature, as it came. */
type KnownProof = TagProof & { readonly mediaType: string }

interface TagCacheOptions {
  /**
   * Whether rows that do not say on whose word they were kept are believed: on a host that has never asked any but caches
   * and origins.
   */
  readonly believeUnmarked: boolean
}

/** How far apart the clocks of hosts may be. */
const MAX_SKEW_MS = 5_000
/** Tags whose age this process has measured itself; of others the wall clock decides. */
const MAX_MEASURED = 16_384

/** What each tag pointed to when the upstream was last asked; survives restarts, so that an origin's death does not matter. */
export class TagCache {
  readonly #table: StoreTable<Row>
  readonly #options: TagCacheOptions
  readonly #clock: Pick<Clock, 'now' | 'wall'>
  /** When this process was told of each confirmation that it knows, on the clock that never steps. */
  readonly #measured = new LRUCache<string, { readonly confirmedEpochMs: number; readonly at: number }>({
    max: MAX_MEASURED,
  })

  constructor(store: BlobStore, clock: Pick<Clock, 'now' | 'wall'>, options: TagCacheOptions) {
    this.#table = store.table('tags', jsonCodec(tagRowSchema as unknown as z.ZodType<Row>))
    this.#clock = clock
    this.#options = options
  }

  /** Milliseconds since the time that a signed answer names; undefined for one from the future, which is no age. */
  signedAgeMs({ confirmedEpochMs }: Pick<TagProof, 'confirmedEpochMs'>): number | undefined {
    const age = this.#clock.wall() - confirmedEpochMs
    return age < -MAX_SKEW_MS ? undefined : Math.max(0, age)
  }

  /**
   * Milliseconds since the upstream confirmed it; undefined when that cannot be known, because the clock has been set back
   * since an earlier process noted it. Setting the clock does not change an age that this process has seen begin.
   */
  ageMs(ref: TagRef, known: KnownTag): number | undefined {
    const measured = this.#measured.get(tagName(ref))
    if (measured?.confirmedEpochMs === known.confirmedEpochMs) return this.#clock.now() - measured.at
    const age = this.#clock.wall() - known.confirmedEpochMs
    return age < 0 ? undefined : age
  }

  /** What may be believed of a tag. */
  async find(ref: TagRef): Promise<KnownTag | undefined> {
    const row = await this.#table.get(tagName(ref))
    // only an origin gives an etag
    const unmarked = row?.etag !== undefined ? 'origin' : this.#options.believeUnmarked ? 'cache' : undefined
    const source = row?.source ?? unmarked
    if (row === undefined || source === undefined || (source === 'signature' && row.proof === undefined))
      return undefined
    const { digest, etag, confirmedEpochMs, proof } = row
    const signature = proof === undefined ? undefined : new Uint8Array(Buffer.from(proof.signature, 'base64'))
    return {
      digest,
      etag,
      confirmedEpochMs,
      source,
      proof: proof === undefined || signature === undefined ? undefined : { ...proof, signature },
    }
  }

  /** Keeps what the upstream confirmed `ageMs` ago. */
  async keep(ref: TagRef, answer: Omit<KnownTag, 'confirmedEpochMs'>, ageMs: number): Promise<void> {
    const row = tagName(ref)
    const { proof } = answer
    const confirmedEpochMs = this.#clock.wall() - ageMs
    this.#measured.set(row, { confirmedEpochMs, at: this.#clock.now() - ageMs })
    const signature = proof === undefined ? '' : Buffer.from(proof.signature).toString('base64')
    await this.#table.put(row, {
      ...answer,
      confirmedEpochMs,
      proof: proof === undefined ? undefined : { ...proof, signature },
    })
  }

  /** What is known of a repository's tags, on whatever word. */
  async ofRepository({
    upstream,
    repository,
  }: RepositoryRef): Promise<{ tag: string; digest: Digest; confirmedEpochMs: number }[]> {
    const prefix = `${upstream}/${repository}:`
    const found = []
    for await (const [row, { digest, confirmedEpochMs }] of this.#table.entries(prefix)) {
      found.push({ tag: row.slice(prefix.length), digest, confirmedEpochMs })
    }
    return found
  }

  /** Drops what the upstream has not confirmed since `beforeEpochMs`. */
  async sweep(beforeEpochMs: number): Promise<void> {
    for await (const [row, known] of this.#table.entries('')) {
      if (known.confirmedEpochMs < beforeEpochMs) await this.#table.delete(row)
    }
  }

  async forget(ref: TagRef): Promise<void> {
    await this.#table.delete(tagName(ref))
  }
}
