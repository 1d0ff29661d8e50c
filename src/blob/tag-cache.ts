import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
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

/** Tags whose age this process has measured itself; of others the wall clock decides. */
const MAX_MEASURED = 16_384

/** What each tag pointed to when the upstream was last asked; survives restarts, so that an origin's death does not matter. */
export class TagCache {
  readonly #table: StoreTable<KnownTag>
  readonly #clock: Pick<Clock, 'now' | 'wall'>
  /** When this process was told of each confirmation that it knows, on the clock that never steps. */
  readonly #measured = new LRUCache<string, { readonly confirmedEpochMs: number; readonly at: number }>({
    max: MAX_MEASURED,
  })

  constructor(store: BlobStore, clock: Pick<Clock, 'now' | 'wall'>) {
    this.#table = store.table('tags', jsonCodec(rowSchema as unknown as z.ZodType<KnownTag>))
    this.#clock = clock
  }

  /**
   * Milliseconds since the upstream confirmed it; undefined when that cannot be known, because the clock has been set back
   * since an earlier process noted it. Setting the clock does not change an age that this process has seen begin.
   */
  ageMs(upstream: string, repository: string, tag: string, known: KnownTag): number | undefined {
    const measured = this.#measured.get(tagKey(upstream, repository, tag))
    if (measured?.confirmedEpochMs === known.confirmedEpochMs) return this.#clock.now() - measured.at
    const age = this.#clock.wall() - known.confirmedEpochMs
    return age < 0 ? undefined : age
  }

  find(upstream: string, repository: string, tag: string): Promise<KnownTag | undefined> {
    return this.#table.get(tagKey(upstream, repository, tag))
  }

  /** Keeps what the upstream confirmed `ageMs` ago. */
  async keep(
    upstream: string,
    repository: string,
    tag: string,
    answer: Omit<KnownTag, 'confirmedEpochMs'>,
    ageMs: number,
  ): Promise<void> {
    const row = tagKey(upstream, repository, tag)
    const known = { ...answer, confirmedEpochMs: this.#clock.wall() - ageMs }
    this.#measured.set(row, { confirmedEpochMs: known.confirmedEpochMs, at: this.#clock.now() - ageMs })
    await this.#table.put(row, known)
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
