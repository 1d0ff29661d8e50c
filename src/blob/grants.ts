import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
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

/** Grants kept in memory, some 300 bytes each: the blobs of the images that a region pulls at the time. */
const MAX_RECENT = 16_384
/** Repositories that one digest is looked for in. */
const MAX_HOLDERS = 16
/** After so long one is read again. */
const RECENT_MS = 60_000

/** A repository that may read a digest. */
export interface GrantedTo {
  readonly kind: 'manifest' | 'blob'
  readonly upstream: string
  readonly repository: string
}

/** That a repository may read a digest, and what is known of it. */
export type Grant = z.infer<typeof grantSchema>

/**
 * Which content each repository of each upstream may read: proven by the upstream itself, or by a manifest of that
 * repository that refers to it. Bytes are shared between repositories, this right is not.
 */
export class Grants {
  readonly #store: Pick<BlobStore, 'size'>
  readonly #clock: Pick<Clock, 'now' | 'wall'>
  readonly #table: StoreTable<Grant>
  /** What was looked up last: in a burst a home is asked for the same few by every host. */
  readonly #recent: ExpiringMap<Grant>

  constructor(store: Pick<BlobStore, 'size' | 'table'>, clock: Pick<Clock, 'now' | 'wall'>) {
    this.#store = store
    this.#clock = clock
    this.#table = store.table('grants', jsonCodec(grantSchema))
    this.#recent = new ExpiringMap(clock, MAX_RECENT)
  }

  async find(upstream: string, repository: string, digest: Digest): Promise<Grant | undefined> {
    const row = key(upstream, repository, digest)
    const recent = this.#recent.get(row)
    if (recent !== undefined) return recent
    const grant = await this.#table.get(row)
    if (grant !== undefined) this.#recent.set(row, grant, RECENT_MS)
    return grant
  }

  async blob(upstream: string, repository: string, digest: Digest, size: number): Promise<void> {
    await this.#put(key(upstream, repository, digest), { kind: 'blob', size, grantedEpochMs: this.#clock.wall() })
  }

  /** Who may read a digest. Reads the whole table: for what is rare. */
  async holders(digest: Digest): Promise<GrantedTo[]> {
    const found: GrantedTo[] = []
    for await (const [row, { kind }] of this.#table.entries('')) {
      const at = row.lastIndexOf('@')
      const slash = row.indexOf('/')
      if (row.slice(at + 1) !== digest || found.length >= MAX_HOLDERS) continue
      found.push({ kind, upstream: row.slice(0, slash), repository: row.slice(slash + 1, at) })
    }
    return found
  }

  /** Drops rights to blobs that are not here and that nobody has asked for since `beforeEpochMs`. */
  async sweep(beforeEpochMs: number): Promise<void> {
    for await (const [row, grant] of this.#table.entries('')) {
      const digest = row.slice(row.lastIndexOf('@') + 1) as Digest
      if (grant.grantedEpochMs >= beforeEpochMs || this.#store.size(digest) !== undefined) continue
      await this.#table.delete(row)
      this.#recent.delete(row)
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
    const grantedEpochMs = this.#clock.wall()
    for (const child of manifestChildren(manifest)) {
      const childGrant = {
        ...{ kind, size: child.size, grantedEpochMs },
        ...(kind === 'manifest' ? { mediaType: child.mediaType } : {}),
      } as const
      await this.#put(key(upstream, repository, child.digest), childGrant)
    }
    await this.#put(key(upstream, repository, digest), { kind: 'manifest', size, mediaType, grantedEpochMs })
  }

  async #put(row: string, grant: Grant): Promise<void> {
    await this.#table.put(row, grant)
    this.#recent.delete(row)
  }
}

function key(upstream: string, repository: string, digest: Digest): string {
  return `${upstream}/${repository}@${digest}`
}
