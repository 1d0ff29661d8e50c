import { z } from 'zod'
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { manifestChildren } from '../oci/manifest.ts'
import type { BlobStore, StoreTable } from '../store/index.ts'
import { jsonCodec } from './json-codec.ts'

const grantSchema = z.object({
  kind: z.enum(['manifest', 'blob']),
  size: z.int().nonnegative(),
  /** Manifests: what the upstream called it. */
  mediaType: z.string().optional(),
  grantedEpochMs: z.number(),
})

/** That a repository may read a digest, and what is known of it. */
export type Grant = z.infer<typeof grantSchema>

/**
 * Which content each repository of each upstream may read: proven by the upstream itself, or by a manifest of that
 * repository that refers to it. Bytes are shared between repositories, this right is not.
 */
export class Grants {
  readonly #store: BlobStore
  readonly #now: () => number
  readonly #table: StoreTable<Grant>

  /** `now` is the wall clock, epoch milliseconds. */
  constructor(store: BlobStore, now: () => number) {
    this.#store = store
    this.#now = now
    this.#table = store.table('grants', jsonCodec(grantSchema))
  }

  find(upstream: string, repository: string, digest: Digest): Promise<Grant | undefined> {
    return this.#table.get(key(upstream, repository, digest))
  }

  async blob(upstream: string, repository: string, digest: Digest, size: number): Promise<void> {
    await this.#table.put(key(upstream, repository, digest), { kind: 'blob', size, grantedEpochMs: this.#now() })
  }

  /** Drops rights to blobs that are not here and that nobody has asked for since `beforeEpochMs`. */
  async sweep(beforeEpochMs: number): Promise<void> {
    for await (const [row, grant] of this.#table.entries('')) {
      const digest = row.slice(row.lastIndexOf('@') + 1) as Digest
      if (grant.grantedEpochMs < beforeEpochMs && this.#store.size(digest) === undefined) await this.#table.delete(row)
    }
  }

  /** A manifest of the repository, and everything it refers to. */
  async manifest(
    upstream: string,
    repository: string,
    digest: Digest,
    content: { readonly size: number; readonly mediaType: string; readonly manifest: Manifest },
  ): Promise<void> {
    const { size, mediaType, manifest } = content
    const kind = manifest.kind === 'index' ? ('manifest' as const) : ('blob' as const)
    const grantedEpochMs = this.#now()
    for (const child of manifestChildren(manifest)) {
      const childGrant = {
        ...{ kind, size: child.size, grantedEpochMs },
        ...(kind === 'manifest' ? { mediaType: child.mediaType } : {}),
      } as const
      await this.#table.put(key(upstream, repository, child.digest), childGrant)
    }
    await this.#table.put(key(upstream, repository, digest), { kind: 'manifest', size, mediaType, grantedEpochMs })
  }
}

function key(upstream: string, repository: string, digest: Digest): string {
  return `${upstream}/${repository}@${digest}`
}
