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
})

/** That a repository may read a digest, and what is known of it. */
export type Grant = z.infer<typeof grantSchema>

/**
 * Which content each repository of each upstream may read: proven by the upstream itself, or by a manifest of that
 * repository that refers to it. Bytes are shared between repositories, this right is not.
 */
export class Grants {
  readonly #table: StoreTable<Grant>

  constructor(store: BlobStore) {
    this.#table = store.table('grants', jsonCodec(grantSchema))
  }

  find(upstream: string, repository: string, digest: Digest): Promise<Grant | undefined> {
    return this.#table.get(key(upstream, repository, digest))
  }

  async blob(upstream: string, repository: string, digest: Digest, size: number): Promise<void> {
    await this.#table.put(key(upstream, repository, digest), { kind: 'blob', size })
  }

  /** A manifest of the repository, and everything it refers to. */
  async manifest(
    upstream: string,
    repository: string,
    digest: Digest,
    content: { readonly size: number; readonly mediaType: string; readonly manifest: Manifest },
  ): Promise<void> {
    const { size, mediaType, manifest } = content
    const kind = manifest.kind === 'index' ? 'manifest' : 'blob'
    for (const child of manifestChildren(manifest)) {
      const childGrant = {
        kind,
        size: child.size,
        ...(kind === 'manifest' ? { mediaType: child.mediaType } : {}),
      } as const
      await this.#table.put(key(upstream, repository, child.digest), childGrant)
    }
    await this.#table.put(key(upstream, repository, digest), { kind: 'manifest', size, mediaType })
  }
}

function key(upstream: string, repository: string, digest: Digest): string {
  return `${upstream}/${repository}@${digest}`
}
