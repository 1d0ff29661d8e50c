import type { Digest } from '../oci/digest.ts'
import { referrersTag } from '../oci/digest.ts'
import type { RepositoryRef, TagOrDigest } from '../oci/reference.ts'

/** What is to leave the fleet: one image by a tag or digest, or all that a repository has. */
export interface PurgeTarget extends RepositoryRef {
  readonly target: TagOrDigest | { readonly kind: 'all' }
}

/** What a host knows of one repository. Times are epoch milliseconds by this host's clock. */
export interface HeldOfRepository {
  readonly tags: readonly { readonly tag: string; readonly digest: Digest; readonly confirmedEpochMs: number }[]
  readonly grants: readonly {
    readonly digest: Digest
    readonly kind: 'manifest' | 'blob'
    readonly grantedEpochMs: number
  }[]
  /** What the manifests that are here refer to. */
  readonly children: ReadonlyMap<Digest, readonly Digest[]>
}

export interface PurgePlan {
  readonly tags: readonly string[]
  /** What nothing else of the repository refers to. */
  readonly digests: readonly Digest[]
  /** What the purged images have in common with others of the repository. */
  readonly shared: readonly Digest[]
}

/**
 * What of a repository goes with an image. What came after `beforeEpochMs` is newer than the order, and stays; so does what
 * another tag, or a manifest that was pulled by its digest, still refers to. Signatures and attestations go with their image.
 */
export function planPurge({ target }: PurgeTarget, held: HeldOfRepository, beforeEpochMs: number): PurgePlan {
  const oldTags = held.tags.filter(({ confirmedEpochMs }) => confirmedEpochMs <= beforeEpochMs)
  const oldGrants = held.grants.filter(({ grantedEpochMs }) => grantedEpochMs <= beforeEpochMs)
  const named = oldTags.filter(({ tag, digest }) => {
    if (target.kind === 'all') return true
    return target.kind === 'tag' ? tag === target.tag : digest === target.digest
  })
  const tagged = target.kind === 'digest' ? [target.digest] : named.map(({ digest }) => digest)
  const others = held.tags.filter((one) => !named.includes(one)).map(({ digest }) => digest)
  const images = tagged.filter((digest) => !others.includes(digest))
  const attached = oldTags.filter(({ tag }) => images.some((digest) => isAttachedTo(digest, tag)))
  const goingTags = [...new Set([...named, ...attached].map(({ tag }) => tag))]

  const old = new Set(oldGrants.map(({ digest }) => digest))
  const roots = [...images, ...attached.map(({ digest }) => digest), ...(target.kind === 'all' ? old : [])]
  const going = closure(roots, held.children)
  const staying = closure(
    [
      ...held.tags.filter(({ tag }) => !goingTags.includes(tag)).map(({ digest }) => digest),
      ...held.grants.flatMap(({ digest, kind, grantedEpochMs }) =>
        grantedEpochMs > beforeEpochMs || (kind === 'manifest' && !going.has(digest)) ? [digest] : [],
      ),
    ],
    held.children,
  )
  const parts = [...going]
  return {
    tags: goingTags,
    digests: parts.filter((digest) => !staying.has(digest)),
    shared: parts.filter((digest) => staying.has(digest)),
  }
}

/** Whether a tag stands for a signature, an attestation or a referrer of an image (cosign, referrers tag schema). */
function isAttachedTo(digest: Digest, tag: string): boolean {
  const stem = referrersTag(digest)
  return tag === stem || tag.startsWith(`${stem}.`)
}

/** All that can be reached from some manifests, they themselves as well. */
function closure(roots: Iterable<Digest>, children: HeldOfRepository['children']): Set<Digest> {
  const reached = new Set<Digest>()
  const next = [...roots]
  for (let digest = next.pop(); digest !== undefined; digest = next.pop()) {
    if (reached.has(digest)) continue
    reached.add(digest)
    next.push(...(children.get(digest) ?? []))
  }
  return reached
}
