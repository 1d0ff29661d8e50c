import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { manifestChildren } from '../oci/manifest.ts'
import type { BlobRef, RepositoryRef } from '../oci/reference.ts'
import { blobName } from '../oci/reference.ts'
import type { BlobStore, StoreTable } from '../store/index.ts'
import { jsonCodec } from '../store/index.ts'

export const grantSchema = z.object({
  kind: z.enum(['manifest', 'blob']),
  size: z.int().nonnegative(),
  /** Manifests: what the upstream called it. */
  mediaType: z.string().optional(),
  /**
   * The upstream itself has said that this repository has it; otherwise a manifest only names it. Rows of older versions
   * do not tell, and are confirmed once.
   */
  confirmed: z.boolean().optional(),
  grantedEpochMs: z.number(),
})

/** Grants kept in memory, some 300 bytes each: the blobs of the images that a region pulls at the time. */
const MAX_RECENT = 16_384
/** Repositories that one digest is looked for in. */
const MAX_HOLDERS = 16
/** After this long one is read again. */
const RECENT_MS = 60_000

/** A repository that may read a digest. */
export interface GrantedTo extends RepositoryRef {
  readonly kind: 'manifest' | 'blob'
}

/** That a repository refers to a digest, and what is known of it. */
export type Grant = z.infer<typeof grantSchema>

/**
 * Which content each repository of each upstream may read. Bytes are shared between repositories, this right is not. A
 * manifest that names a digest gives the right to fetch it from the origin of its own repository: whoever can push a
 * manifest can name anything. Bytes that came in by another right leave only once the repository's origin has confirmed
 * that it has them. Within one upstream with `access: public` any repository's confirmation will do: what anybody may
 * read under one name is no secret under another.
 */
export class Grants {
  readonly #store: Pick<BlobStore, 'size'>
  readonly #clock: Pick<Clock, 'now' | 'wall'>
  readonly #table: StoreTable<Grant>
  /** What was looked up last: in a burst a home is asked for the same few by every host. */
  readonly #recent: ExpiringMap<Grant>
  readonly #isPublic: (upstream: string) => boolean

  /** `isPublic`: whether everything of an upstream may be read by anybody. */
  constructor(
    store: Pick<BlobStore, 'size' | 'table'>,
    clock: Pick<Clock, 'now' | 'wall'>,
    isPublic: (upstream: string) => boolean = () => false,
  ) {
    this.#store = store
    this.#clock = clock
    this.#isPublic = isPublic
    this.#table = store.table('grants', jsonCodec(grantSchema))
    this.#recent = new ExpiringMap(clock, MAX_RECENT)
  }

  async find(ref: BlobRef): Promise<Grant | undefined> {
    const row = blobName(ref)
    const recent = this.#recent.get(row)
    if (recent !== undefined) return recent
    const grant = await this.#table.get(row)
    if (grant !== undefined) this.#recent.set(row, grant, RECENT_MS)
    return grant
  }

  /** Whether the repository may have these bytes although they came in by another right. */
  async entitles(ref: BlobRef): Promise<boolean> {
    const grant = await this.find(ref)
    if (grant === undefined || grant.confirmed === true) return grant !== undefined
    return this.#isPublic(ref.upstream) && (await this.find(anywhere(ref))) !== undefined
  }

  /** The repository's own origin, or the tier that asks it, has said that it has this blob. */
  async confirmBlob(ref: BlobRef, size: number): Promise<void> {
    await this.#confirm(ref, { kind: 'blob', size })
  }

  /** Somebody who may say so names a blob of the repository. */
  async nameBlob(ref: BlobRef, size: number): Promise<void> {
    await this.#name(ref, { kind: 'blob', size })
  }

  /** Who may read a digest. Reads the whole table: for what is rare. */
  async holders(digest: Digest): Promise<GrantedTo[]> {
    const found: GrantedTo[] = []
    for await (const [row, { kind }] of this.#table.entries('')) {
      const { upstream, repository, digest: named } = refOf(row)
      if (named !== digest || repository === ANY_REPOSITORY || found.length >= MAX_HOLDERS) continue
      found.push({ kind, upstream, repository })
    }
    return found
  }

  /** What a repository refers to. */
  async ofRepository({ upstream, repository }: RepositoryRef): Promise<(Grant & { readonly digest: Digest })[]> {
    const found: (Grant & { readonly digest: Digest })[] = []
    for await (const [row, grant] of this.#table.entries(`${upstream}/${repository}@`)) {
      found.push({ ...grant, digest: refOf(row).digest })
    }
    return found
  }

  /** Which of `digests` other repositories, of whatever upstream, refer to. Reads the whole table: for what is rare. */
  async elsewhere(own: RepositoryRef, digests: ReadonlySet<Digest>): Promise<Set<Digest>> {
    const found = new Set<Digest>()
    for await (const [row] of this.#table.entries('')) {
      const { upstream, repository, digest } = refOf(row)
      const isOwn = upstream === own.upstream && repository === own.repository
      // what stands for all repositories has the row of one beside it
      if (digests.has(digest) && !isOwn && repository !== ANY_REPOSITORY) found.add(digest)
    }
    return found
  }

  /** Takes a right back; `everywhere`: no other repository of the upstream has it either. */
  async revoke(ref: BlobRef, everywhere: boolean): Promise<void> {
    const rows = [blobName(ref), ...(everywhere ? [blobName(anywhere(ref))] : [])]
    for (const row of rows) {
      await this.#table.delete(row)
      // after it, for what was read meanwhile
      this.#recent.delete(row)
    }
  }

  /** Drops rights to blobs that are not here and that nobody has asked for since `beforeEpochMs`. */
  async sweep(beforeEpochMs: number): Promise<void> {
    for await (const [row, grant] of this.#table.entries('')) {
      const { digest } = refOf(row)
      if (grant.grantedEpochMs >= beforeEpochMs || this.#store.size(digest) !== undefined) continue
      await this.#table.delete(row)
      this.#recent.delete(row)
    }
  }

  /** A manifest of the repository, and everything it refers to. */
  async manifest(
    ref: BlobRef,
    content: { readonly size: number; readonly mediaType: string; readonly manifest: Manifest },
  ): Promise<void> {
    const { upstream, repository } = ref
    const { size, mediaType, manifest } = content
    const kind = manifest.kind === 'index' ? ('manifest' as const) : ('blob' as const)
    for (const child of manifestChildren(manifest)) {
      const childType = kind === 'manifest' ? child.mediaType : undefined
      const { digest, size: childSize } = child
      await this.#name({ upstream, repository, digest }, { kind, size: childSize, mediaType: childType })
    }
    await this.#confirm(ref, { kind: 'manifest', size, mediaType })
  }

  /** Takes nothing back: what is confirmed stays so, whatever a later manifest says of it. */
  async #name(ref: BlobRef, named: Named): Promise<void> {
    const known = await this.find(ref)
    const what = known?.confirmed === true ? known : named
    await this.#put(blobName(ref), { ...what, grantedEpochMs: this.#clock.wall() })
  }

  async #confirm(ref: BlobRef, what: Named): Promise<void> {
    const grant: Grant = { ...what, confirmed: true, grantedEpochMs: this.#clock.wall() }
    const rows = [blobName(ref)]
    if (this.#isPublic(ref.upstream)) rows.push(blobName(anywhere(ref)))
    // at once, for whoever asks while the disk writes
    for (const row of rows) this.#recent.set(row, grant, RECENT_MS)
    await Promise.all(rows.map((row) => this.#put(row, grant)))
  }

  async #put(row: string, grant: Grant): Promise<void> {
    await this.#table.put(row, grant)
    this.#recent.delete(row)
  }
}

type Named = Pick<Grant, 'kind' | 'size' | 'mediaType'>

/** Stands for all repositories of an upstream; no repository has an empty name. */
const ANY_REPOSITORY = ''

/** What a row's key names. */
function refOf(row: string): BlobRef {
  const at = row.lastIndexOf('@')
  const slash = row.indexOf('/')
  // keys are made of digests that were parsed
  const digest = row.slice(at + 1) as Digest
  return { upstream: row.slice(0, slash), repository: row.slice(slash + 1, at), digest }
}

function anywhere(ref: BlobRef): BlobRef {
  return { ...ref, repository: ANY_REPOSITORY }
}
