import type { Logger } from '../base/log.ts'
import type { Counter } from '../base/metrics.ts'
import type { Digest } from '../oci/digest.ts'
import { isReferrerTag } from '../oci/manifest.ts'
import type { TagRef } from '../oci/reference.ts'
import type { Answered } from '../tier/index.ts'
import type { ManifestContent } from './interface.ts'
import type { FoundManifest, TagProof } from './requests.ts'
import type { KnownTag, TagCache } from './tag-cache.ts'
import type { TagProofs } from './tag-proof.ts'

/**
 * A manifest and how long ago the upstream confirmed that its tag points to it (0 for digests). `proof`: a cache's
 * signature that it does, for those who need not take this host's word.
 */
export type ResolvedManifest = ManifestContent & { readonly ageMs: number; readonly proof?: TagProof | undefined }

/** A peer's answer to where a tag points. */
export type TagAnswer = Pick<Answered<FoundManifest>, 'link' | 'answer'>

export interface KnownTagsOptions {
  /** How long a home answers for a tag without asking above. */
  readonly tagTtlMs: number
  /** How old an answer may be when nobody above can be asked. */
  readonly tagMaxStaleMs: number
}

/** How a tag look-up was answered. */
export const TAG_LOOKUPS = ['fresh', 'revalidated', 'stale', 'miss'] as const

export type TagLookup = (typeof TAG_LOOKUPS)[number]

interface KnownTagsDeps {
  readonly tags: TagCache
  readonly proofs: TagProofs
  readonly logger: Logger
  readonly lookups: Counter<{ result: TagLookup }>
  /** A manifest that is here, and that the repository may read. */
  readonly stored: (ref: TagRef, digest: Digest) => Promise<ResolvedManifest | undefined>
}

/** What this host knows of tags without asking: on whose word, how old it is, and how it is handed to others. */
export class KnownTags {
  readonly #options: KnownTagsOptions
  readonly #deps: KnownTagsDeps

  constructor(options: KnownTagsOptions, deps: KnownTagsDeps) {
    this.#options = options
    this.#deps = deps
  }

  find(ref: TagRef): Promise<KnownTag | undefined> {
    return this.#deps.tags.find(ref)
  }

  /** What is known of a tag, within its time to live. */
  async fresh(ref: TagRef): Promise<ResolvedManifest | undefined> {
    // signatures and referrers change meaning by appearing: they are always looked up
    if (isReferrerTag(ref.tag)) return undefined
    const known = await this.find(ref)
    const ageMs = known === undefined ? undefined : this.#ageMs(ref, known)
    if (known === undefined || ageMs === undefined || ageMs >= this.#options.tagTtlMs) return undefined
    const stored = await this.#deps.stored(ref, known.digest)
    if (stored === undefined) return undefined
    this.#deps.lookups.inc({ result: 'fresh' })
    return this.#signed(ref, known, { ...stored, ageMs })
  }

  /** The last known answer while nobody above can be asked: marked, and not older than allowed. */
  async stale(ref: TagRef): Promise<ResolvedManifest | undefined> {
    const known = await this.find(ref)
    if (known === undefined) return undefined
    const age = this.#ageMs(ref, known)
    if (age !== undefined && age > this.#options.tagMaxStaleMs) return undefined
    const stored = await this.#deps.stored(ref, known.digest)
    if (stored === undefined) return undefined
    // noted by a clock that has been set back since: its time of grace begins when that is seen, and no signature names it
    if (age === undefined) await this.#keep(ref, { ...known, source: 'cache', proof: undefined }, 0)
    const ageMs = age ?? 0
    this.#deps.lookups.inc({ result: 'stale' })
    this.#deps.logger.warn(
      { upstream: ref.upstream, ageMs },
      'the upstream cannot be asked: serving the last known tag',
    )
    const manifest = { ...stored, stale: true, ageMs }
    return age === undefined ? manifest : this.#signed(ref, known, manifest)
  }

  /** Keeps what the origin has just said, and signs it. */
  async confirmed(ref: TagRef, etag: string | undefined, manifest: ResolvedManifest): Promise<ResolvedManifest> {
    await this.#keep(ref, { digest: manifest.digest, etag, source: 'origin' }, 0)
    return this.#asKept(ref, manifest)
  }

  /** Keeps what a cache has said over its own link, or anybody under a cache's signature; `manifest` is what it points to. */
  async told(ref: TagRef, told: TagAnswer, manifest: ResolvedManifest): Promise<ResolvedManifest> {
    const { digest, mediaType, ageMs } = told.answer
    const proof = this.proven(ref, told)
    const word =
      proof === undefined
        ? ({ source: 'cache' } as const)
        : ({ source: 'signature', proof: { ...proof, mediaType } } as const)
    await this.#keep(ref, { digest, ...word }, ageMs)
    return this.#asKept(ref, manifest)
  }

  /** The signature under an answer, if it holds. A member that passes on one that does not breaks the protocol. */
  proven({ upstream, repository, tag }: TagRef, { link, answer }: TagAnswer): TagProof | undefined {
    const { digest, mediaType, proof } = answer
    if (proof === undefined || !this.#deps.proofs.covers(proof)) return undefined
    const said = { upstream, repository, tag, digest, mediaType }
    const judgement = this.#deps.proofs.judge(said, proof, link.peer.cacheKeys)
    if (judgement === 'good') return proof
    // what cannot be told here is no fault of a member, nor a credential that this host does not know yet one of a cache
    if (judgement === 'false' && link.peer.role !== 'cache')
      link.breach('a peer handed on a tag with a false signature')
    return undefined
  }

  /**
   * What a member's answer is worth: its age by the signature it carries, if that holds and says more than what is known
   * here. Undefined for nothing at all.
   */
  async newsMs(ref: TagRef, told: TagAnswer): Promise<number | undefined> {
    const proof = this.proven(ref, told)
    if (proof === undefined || isReferrerTag(ref.tag)) return undefined
    const known = await this.find(ref)
    if (known !== undefined && confirmedAt(known) >= proof.confirmedEpochMs) return undefined
    return this.#deps.tags.signedAgeMs(proof)
  }

  #ageMs(ref: TagRef, known: KnownTag): number | undefined {
    return this.#deps.tags.ageMs(ref, known)
  }

  async #keep(ref: TagRef, known: Omit<KnownTag, 'confirmedEpochMs'>, ageMs: number): Promise<void> {
    await this.#deps.tags.keep(ref, known, ageMs)
  }

  async #asKept(ref: TagRef, manifest: ResolvedManifest): Promise<ResolvedManifest> {
    const known = await this.find(ref)
    return known === undefined ? manifest : this.#signed(ref, known, manifest)
  }

  /** With this host's own signature if it may speak as a cache, else with the one that it was given. */
  #signed({ upstream, repository, tag }: TagRef, known: KnownTag, manifest: ResolvedManifest): ResolvedManifest {
    // what came without a signature is not passed on in this host's name
    if (known.source === 'cache') return manifest
    const { proofs } = this.#deps
    const { digest } = manifest
    const at = Math.max(0, Math.round(confirmedAt(known)))
    const own = proofs.sign({ upstream, repository, tag, digest, mediaType: manifest.mediaType }, at)
    if (own !== undefined || known.proof === undefined) return { ...manifest, proof: own }
    const { mediaType, ...proof } = known.proof
    // a certificate may have ended since: passing it on would break the protocol
    const holds = proofs.holds({ upstream, repository, tag, digest, mediaType }, proof)
    return holds ? { ...manifest, mediaType, proof } : manifest
  }
}

/** By the clock of whoever asked the upstream. */
function confirmedAt({ proof, confirmedEpochMs }: KnownTag): number {
  return proof?.confirmedEpochMs ?? confirmedEpochMs
}
