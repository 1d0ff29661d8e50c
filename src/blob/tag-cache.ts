import { z } from 'zod'
import type { Digest } from '../oci/digest.ts'
import { requireDigest } from '../oci/digest.ts'
import type { BlobStore, StoreTable } from '../store/index.ts'
import { jsonCodec } from './json-codec.ts'

const rowSchema = z.object({
  digest: z.string().transform((text): Digest => requireDigest(text)),
  etag: z.string().optional(),
  /** When the upstream last confirmed it. */
  confirmedEpochMs: z.number(),
})

/** The last known answer for a tag. */
export type KnownTag = z.infer<typeof rowSchema>

/** What each tag pointed to when the upstream was last asked; survives restarts, so that an origin's death does not matter. */
export class TagCache {
  readonly #table: StoreTable<KnownTag>

  constructor(store: BlobStore) {
    this.#table = store.table('tags', jsonCodec(rowSchema as unknown as z.ZodType<KnownTag>))
  }

  find(upstream: string, repository: string, tag: string): Promise<KnownTag | undefined> {
    return this.#table.get(tagKey(upstream, repository, tag))
  }

  async keep(upstream: string, repository: string, tag: string, known: KnownTag): Promise<void> {
    await this.#table.put(tagKey(upstream, repository, tag), known)
  }

  /** Drops what the upstream has not confirmed since `beforeEpochMs`. */
  async sweep(beforeEpochMs: number): Promise<void> {
    for await (const [row, known] of this.#table.entries('')) {
      if (known.confirmedEpochMs < beforeEpochMs) await this.#table.delete(row)
    }
  }

  async forget(upstream: string, repository: string, tag: string): Promise<void> {
    await this.#table.delete(tagKey(upstream, repository, tag))
  }
}

export function tagKey(upstream: string, repository: string, tag: string): string {
  return `${upstream}/${repository}:${tag}`
}
