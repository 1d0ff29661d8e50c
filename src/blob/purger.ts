import { isShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import { MAX_MANIFEST_BYTES, manifestChildren, parseManifest } from '../oci/manifest.ts'
import type { BlobRef } from '../oci/reference.ts'
import type { BlobStore, StoreEntry } from '../store/index.ts'
import type { Transfers } from '../transfer/index.ts'
import type { Grants } from './grants.ts'
import type { Manifests } from './manifests.ts'
import type { PurgePlan, PurgeTarget } from './purge-plan.ts'
import { planPurge } from './purge-plan.ts'
import type { TagCache } from './tag-cache.ts'

interface PurgerDeps {
  readonly store: Pick<BlobStore, 'size' | 'readSmall' | 'list' | 'remove'>
  readonly grants: Pick<Grants, 'find' | 'ofRepository' | 'elsewhere' | 'revoke'>
  readonly tags: Pick<TagCache, 'ofRepository'>
  readonly manifests: Pick<Manifests, 'forget'>
  readonly transfers: Pick<Transfers, 'views' | 'ranges'>
}

interface PurgeOptions {
  /** What came later is newer than the order. */
  readonly beforeEpochMs: number
  /** Only counts. */
  readonly dryRun?: boolean
  /** Whose blobs go: `all` does not wait for the end of pulls that are under way, `none` lets others pull on. */
  readonly blobs?: 'all' | 'idle' | 'none'
}

/** What a purge has taken from a host. */
export interface Purged {
  /** Tags that were forgotten. */
  readonly tags: number
  readonly blobs: number
  readonly freedBytes: number
  /** Of the image, but pinned, or of another image as well: still here. */
  readonly keptBytes: number
  /** Of pulls that are under way: to be asked for again. */
  readonly waiting: readonly BlobRef[]
}

/** How what is to go is found on this host. */
interface Found {
  readonly here: ReadonlyMap<Digest, StoreEntry>
  readonly elsewhere: ReadonlySet<Digest>
}

/**
 * Takes images from this host: its tags, the right of their repository to their content, and the content that no other
 * image and no pin needs. Whoever reads a blob reads on; what a pull that is under way has still to fetch stays until then.
 */
export class Purger {
  readonly #deps: PurgerDeps
  #isPulled = (_: Digest): boolean => false

  constructor(deps: PurgerDeps) {
    this.#deps = deps
  }

  /** From now on blobs wait of which a runtime's pull has still to be served: there is none before the mirror is open. */
  heed(isPulled: (digest: Digest) => boolean): void {
    this.#isPulled = isPulled
  }

  async purge(target: PurgeTarget, options: PurgeOptions): Promise<Purged> {
    const { upstream, repository } = target
    const { manifests, store } = this.#deps
    const { tags, digests, shared } = await this.#plan(target, options.beforeEpochMs)
    if (options.dryRun !== true) for (const tag of tags) await manifests.forget({ upstream, repository, tag })
    const refs = digests.map((digest) => ({ upstream, repository, digest }))
    const purged = await this.#remove(refs, options)
    const sharedBytes = shared.reduce((sum, digest) => sum + (store.size(digest) ?? 0), 0)
    return { ...purged, tags: tags.length, keptBytes: purged.keptBytes + sharedBytes }
  }

  /** Takes what had to wait; what the repository has been given again meanwhile stays. */
  async retry(waiting: readonly BlobRef[], options: PurgeOptions): Promise<Purged> {
    const still: BlobRef[] = []
    for (const ref of waiting) {
      const grant = await this.#deps.grants.find(ref)
      if (grant === undefined || grant.grantedEpochMs <= options.beforeEpochMs) still.push(ref)
    }
    return { ...(await this.#remove(still, options)), tags: 0 }
  }

  async #plan(target: PurgeTarget, beforeEpochMs: number): Promise<PurgePlan> {
    const { grants, tags, store } = this.#deps
    const granted = await grants.ofRepository(target)
    const children = new Map<Digest, readonly Digest[]>()
    for (const { digest, kind } of granted) {
      if (kind === 'manifest') children.set(digest, await childrenOf(store, digest))
    }
    return planPurge(target, { tags: await tags.ofRepository(target), grants: granted, children }, beforeEpochMs)
  }

  /** All of one repository. */
  async #remove(refs: readonly BlobRef[], options: PurgeOptions): Promise<Omit<Purged, 'tags'>> {
    const { grants, store } = this.#deps
    const [first] = refs
    const waiting: BlobRef[] = []
    let [blobs, freedBytes, keptBytes] = [0, 0, 0]
    if (first === undefined) return { blobs, freedBytes, keptBytes, waiting }
    const digests = new Set(refs.map(({ digest }) => digest))
    const elsewhere = await grants.elsewhere(first, digests)
    const entries = store.list().filter(({ digest }) => digests.has(digest))
    const here = new Map(entries.map((entry) => [entry.digest, entry]))
    for (const ref of refs) {
      const bytes = here.get(ref.digest)?.storedBytes ?? store.size(ref.digest) ?? 0
      const fate = await this.#take(ref, { here, elsewhere }, options)
      if (fate === 'gone') {
        blobs += bytes > 0 ? 1 : 0
        freedBytes += bytes
      } else if (fate === 'kept') keptBytes += bytes
      else waiting.push(ref)
    }
    return { blobs, freedBytes, keptBytes, waiting }
  }

  async #take(ref: BlobRef, { here, elsewhere }: Found, options: PurgeOptions): Promise<'gone' | 'kept' | 'waits'> {
    const { grants, store, transfers } = this.#deps
    const { digest } = ref
    // a pin is of an image: it keeps its right to be read, too
    if (here.get(digest)?.pinnedUntilEpochMs !== undefined) return 'kept'
    const isShared = elsewhere.has(digest)
    if (options.dryRun === true) return isShared ? 'kept' : 'gone'
    transfers.ranges.forget(digest)
    if (await this.#waits(ref, options)) return 'waits'
    await grants.revoke(ref, !isShared)
    if (isShared) return 'kept'
    try {
      await store.remove(digest)
      return 'gone'
    } catch (error) {
      // its partial is open
      if (!isShoalError(error, 'STORE_FAILED') || error.cause !== undefined) throw error
      return 'waits'
    }
  }

  /** A manifest goes at once, so that no pull begins. */
  async #waits(ref: BlobRef, { blobs = 'idle' }: PurgeOptions): Promise<boolean> {
    const { digest } = ref
    if (blobs === 'none') return (await this.#deps.grants.find(ref))?.kind !== 'manifest'
    return blobs === 'idle' && this.#isUnderWay(digest)
  }

  #isUnderWay(digest: Digest): boolean {
    const arrives = this.#deps.transfers
      .views()
      .some(({ transfer }) => transfer.digest === digest && !transfer.proven && transfer.failure === undefined)
    return arrives || this.#isPulled(digest)
  }
}

/** None of a manifest that is not here any more, or that cannot be read. */
async function childrenOf(store: Pick<BlobStore, 'readSmall'>, digest: Digest): Promise<readonly Digest[]> {
  const bytes = await store.readSmall(digest, MAX_MANIFEST_BYTES)
  if (bytes === undefined) return []
  try {
    return manifestChildren(parseManifest(bytes)).map((child) => child.digest)
  } catch (error) {
    if (isShoalError(error, 'MANIFEST_INVALID')) return []
    throw error
  }
}
