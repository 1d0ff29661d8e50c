import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Counter, MetricRegistry } from '../base/metrics.ts'
import type { Outcome, Refusal } from '../base/outcome.ts'
import { isRefused, refused } from '../base/outcome.ts'
import type { SpanAttributes, Tracer } from '../base/tracing.ts'
import { NO_TRACER, timed } from '../base/tracing.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'
import { isReferrerTag, MAX_MANIFEST_BYTES, parseManifest } from '../oci/manifest.ts'
import type { Reference, RepositoryRef, TagRef } from '../oci/reference.ts'
import { blobName, referenceText, tagName, tagOf } from '../oci/reference.ts'
import type { OriginChain, OriginManifest } from '../origin/index.ts'
import type { BlobStore } from '../store/index.ts'
import { isUnstorable } from '../store/index.ts'
import type { Answered, Asker, Climb, Tier, Worthless } from '../tier/index.ts'
import { Ladder, requestOf } from '../tier/index.ts'
import type { Grants } from './grants.ts'
import type { ImageSignatures } from './image-signatures.ts'
import type { ContentSource } from './interface.ts'
import type { KnownTagsOptions, ResolvedManifest, TagLookup } from './known-tags.ts'
import { KnownTags, TAG_LOOKUPS } from './known-tags.ts'
import type { FoundManifest } from './requests.ts'
import { blobRequests } from './requests.ts'
import type { TagCache } from './tag-cache.ts'
import type { TagProofs } from './tag-proof.ts'

interface ManifestsDeps {
  readonly store: BlobStore
  readonly tier: Tier
  readonly grants: Grants
  readonly tags: TagCache
  readonly proofs: TagProofs
  readonly signatures: Pick<ImageSignatures, 'isGood' | 'refuses'>
  readonly logger: Logger
  readonly registry: MetricRegistry
  readonly clock: Clock
  readonly origins: (upstream: string) => OriginChain | undefined
  /** Default: nothing is timed. */
  readonly tracer?: Tracer | undefined
}

/** A manifest, and a client's own proof if it is asked for in the client's name. */
type ClientReference = Reference & { readonly authorization?: string | undefined }

/**
 * Manifests by tag and digest. Only a tag's home asks above, one question at a time for all who wait; everybody else
 * asks the home. Digests are immutable and kept for good; tags live for a while and are then confirmed. What a tag
 * points to is believed from an origin, from a cache over its own link, or under a cache's signature.
 */
export class Manifests {
  readonly #options: KnownTagsOptions
  readonly #deps: ManifestsDeps
  readonly #known: KnownTags
  readonly #ladder: Ladder<ResolvedManifest>
  readonly #lookups: Counter<{ result: TagLookup }>

  constructor(options: KnownTagsOptions, deps: ManifestsDeps) {
    this.#options = options
    this.#deps = deps
    this.#ladder = new Ladder(deps)
    this.#lookups = deps.registry.counter('shoal_tag_lookups_total', 'Tag look-ups by how they were answered', {
      result: TAG_LOOKUPS,
    })
    const { tags, proofs, logger } = deps
    const stored = this.#stored.bind(this)
    this.#known = new KnownTags(options, { tags, proofs, logger, lookups: this.#lookups, stored })
  }

  /** From what is known here, or from whoever the ladder leads to. Never rejects but with the signal's reason. */
  find(
    { upstream, repository, target }: Reference,
    asker: Asker,
    signal: AbortSignal,
  ): Promise<Outcome<ResolvedManifest>> {
    // nobody's proof goes along
    const ref = { upstream, repository, target }
    return this.#timed(ref, () => this.#ladder.climb(this.#climb(ref), asker, signal))
  }

  /**
   * In a client's own name, past all caches of tags: its right to read is what the origin says now. `isProven`: the origin
   * has lately let this client read the repository, so that what is here already may be had.
   */
  async findAsClient(
    ref: Reference & { readonly authorization: string },
    isProven: boolean,
    signal: AbortSignal,
  ): Promise<Outcome<ResolvedManifest>> {
    const { target } = ref
    const stored = isProven && target.kind === 'digest' ? await this.#stored(ref, target.digest) : undefined
    return stored ?? this.#timed(ref, () => this.#ladder.atOrigin(this.#climb(ref), signal))
  }

  /** Forgets a tag; the next look-up asks above. */
  forget(ref: TagRef): Promise<void> {
    this.#ladder.forget(nameOf({ ...ref, target: { kind: 'tag', tag: ref.tag } }))
    return this.#deps.tags.forget(ref)
  }

  #timed(ref: Reference, work: () => Promise<Outcome<ResolvedManifest>>): Promise<Outcome<ResolvedManifest>> {
    const { tracer = NO_TRACER } = this.#deps
    return timed(tracer.begin('resolve', { image: referenceText(ref) }), work, resolved)
  }

  #climb(ref: ClientReference): Climb<FoundManifest, ResolvedManifest> {
    const { upstream, repository, target, authorization } = ref
    const climb = {
      upstream,
      name: nameOf(ref),
      request: requestOf(blobRequests.manifest, { upstream, repository, target }),
      take: (answered: Answered<FoundManifest>) => this.#take(ref, answered),
      authorization,
    } as const
    if (target.kind === 'tag') return { ...climb, ...this.#tagRungs(ref, { upstream, repository, tag: target.tag }) }
    const { digest } = target
    return {
      ...climb,
      key: digest,
      here: () => this.#stored(ref, digest),
      about: async () => {
        const isNamed = (await this.#deps.grants.find({ upstream, repository, digest })) !== undefined
        return { isHeardOf: isNamed, isAwaited: isNamed }
      },
      atOrigin: (chain, signal) => this.#fromOrigin(chain, ref, digest, signal),
    }
  }

  #tagRungs(ref: ClientReference, tagged: TagRef): Rungs {
    const { tier } = this.#deps
    // signatures and referrers change meaning by appearing
    const isAwaited = isReferrerTag(tagged.tag)
    return {
      key: tagName(tagged),
      // while the caches are gone, whoever could be asked is as far from the upstream as this host
      here: async (entry) =>
        (entry === 'forPeer' || tier.acting) && (await this.#isGood(tagged)) ? this.#known.fresh(tagged) : undefined,
      about: async () => ({ isHeardOf: (await this.#known.find(tagged)) !== undefined, isAwaited }),
      atOrigin: (chain, signal) =>
        ref.authorization === undefined
          ? this.#resolve(chain, ref, tagged, signal)
          : this.#resolveForClient(chain, ref, tagged, signal),
      instead: async () => (isAwaited || !(await this.#isGood(tagged)) ? undefined : this.#known.stale(tagged)),
    }
  }

  /** Whether what this host has itself read of a tag is signed, where that is wanted: it may have read it before it was. */
  async #isGood(tagged: TagRef): Promise<boolean> {
    const known = await this.#known.find(tagged)
    if (known?.source !== 'origin' || isReferrerTag(tagged.tag)) return true
    return this.#deps.signatures.isGood({ ...tagged, digest: known.digest })
  }

  /** Signatures and what else belongs to an image are not signed themselves. */
  async #unsigned(
    chain: OriginChain,
    tagged: TagRef & { readonly authorization?: string | undefined },
    digest: Digest,
    signal: AbortSignal,
  ): Promise<Refusal | undefined> {
    return isReferrerTag(tagged.tag) ? undefined : this.#deps.signatures.refuses(chain, { ...tagged, digest }, signal)
  }

  /** Asks the origin what a tag points to now. */
  async #resolve(
    chain: OriginChain,
    ref: ClientReference,
    tagged: TagRef,
    signal: AbortSignal,
  ): Promise<Outcome<ResolvedManifest>> {
    const { repository, tag } = tagged
    const known = await this.#known.find(tagged)
    const resolution = await chain.resolveTag({ repository, tag, known, signal })
    if (resolution.kind === 'unknown') {
      await this.#deps.tags.forget(tagged)
      this.#lookups.inc({ result: 'miss' })
      return refused('unknown', `${ref.upstream}/${repository} has no tag ${tag}`)
    }
    const state = resolution.kind === 'unchanged' ? known : resolution.state
    if (state === undefined) return refused('unavailable', 'the origin says "unchanged" of a tag never seen')
    this.#lookups.inc({ result: state.digest === known?.digest ? 'revalidated' : 'miss' })
    const unsigned = await this.#unsigned(chain, tagged, state.digest, signal)
    if (unsigned !== undefined) return unsigned
    const given = resolution.kind === 'found' ? resolution.manifest : undefined
    const stored = (await this.#stored(ref, state.digest)) ?? (await this.#given(ref, state.digest, given))
    const manifest = stored ?? (await this.#fromOrigin(chain, ref, state.digest, signal))
    return isRefused(manifest) ? manifest : this.#known.confirmed(tagged, state.etag, manifest)
  }

  /** What the client is told is nobody else's business, and what others were told not the client's. */
  async #resolveForClient(
    chain: OriginChain,
    ref: ClientReference,
    { repository, tag }: TagRef,
    signal: AbortSignal,
  ): Promise<Outcome<ResolvedManifest>> {
    const { upstream, authorization } = ref
    const resolution = await chain.resolveTag({ repository, tag, authorization, signal })
    if (resolution.kind !== 'found') return refused('unknown', `${upstream}/${repository} has no such tag`)
    const { digest } = resolution.state
    const unsigned = await this.#unsigned(chain, { upstream, repository, tag, authorization }, digest, signal)
    if (unsigned !== undefined) return unsigned
    return (await this.#given(ref, digest, resolution.manifest)) ?? this.#fromOrigin(chain, ref, digest, signal)
  }

  /** What an origin gave together with the answer about its tag, if it is what the digest says. */
  async #given(
    ref: RepositoryRef,
    digest: Digest,
    manifest: OriginManifest | undefined,
  ): Promise<Outcome<ResolvedManifest> | undefined> {
    if (manifest === undefined || digestOf(manifest.bytes, digest) !== digest) return undefined
    const { bytes, mediaType } = manifest
    return this.#keep(ref, { digest, bytes, mediaType, source: 'origin', stale: false, ageMs: 0 })
  }

  async #fromOrigin(
    chain: OriginChain,
    ref: ClientReference,
    digest: Digest,
    signal: AbortSignal,
  ): Promise<Outcome<ResolvedManifest>> {
    const { repository, authorization } = ref
    // each once, and one more time where all have been wrong
    for (let attempt = 0; attempt <= chain.labels.length; attempt++) {
      const used = new Set<string>()
      const onSource = (label: string): void => void used.add(label)
      const manifest = await chain.manifest({ repository, digest, authorization, signal, onSource })
      if (manifest === undefined) break
      const kept = await this.#given(ref, digest, manifest)
      if (kept !== undefined) return kept
      for (const label of used) chain.distrust(label, digest)
      if (attempt === chain.labels.length)
        return refused('unavailable', `every origin serves wrong bytes for ${digest}`)
    }
    return refused('unknown', `${ref.upstream}/${repository} has no manifest ${digest}`)
  }

  /**
   * Takes a peer's answer. A manifest's bytes prove themselves; what a tag points to is believed from a cache. A host that
   * stands in for the caches must show a signature, and of something newer than what is known here: otherwise this host asks
   * the origin itself.
   */
  async #take(ref: Reference, answered: Answered<FoundManifest>): Promise<Outcome<ResolvedManifest> | Worthless> {
    const { answer, link } = answered
    const { digest, bytes } = answer
    if (digestOf(bytes, digest) !== digest || (ref.target.kind === 'digest' && ref.target.digest !== digest))
      return 'false'
    if (link.peer.role === 'cache') return this.#keepTold(ref, answered)
    const tagged = tagOf(ref)
    const ageMs = tagged === undefined ? 0 : await this.#known.newsMs(tagged, answered)
    if (ageMs === undefined) return 'above'
    const stale = ageMs >= this.#options.tagTtlMs
    const kept = await this.#keepTold(ref, { ...answered, answer: { ...answer, ageMs, stale } })
    return stale || isRefused(kept) ? 'above' : kept
  }

  /** Remembers what a tag points to, too. */
  async #keepTold(ref: Reference, { answer, link, from }: Answered<FoundManifest>): Promise<Outcome<ResolvedManifest>> {
    const { digest, bytes, stale, ageMs } = answer
    const tagged = tagOf(ref)
    // the bytes of a digest prove themselves, what a member calls them does not
    const isHearsay = link.peer.role !== 'cache' && tagged === undefined
    const mediaType = isHearsay ? undefined : answer.mediaType
    const kept = await this.#keep(ref, { digest, bytes, mediaType, source: from, stale, ageMs })
    return isRefused(kept) || tagged === undefined ? kept : this.#known.told(tagged, { answer, link }, kept)
  }

  async #keep(
    { upstream, repository }: RepositoryRef,
    content: Omit<ResolvedManifest, 'mediaType'> & { readonly mediaType: string | undefined },
  ): Promise<Outcome<ResolvedManifest>> {
    const { digest, bytes } = content
    try {
      const manifest = parseManifest(bytes)
      const mediaType = content.mediaType ?? manifest.mediaType
      await this.#store(digest, bytes)
      const size = bytes.length
      await this.#deps.grants.manifest({ upstream, repository, digest }, { size, mediaType, manifest })
      return { ...content, mediaType }
    } catch (error) {
      if (isShoalError(error, 'MANIFEST_INVALID')) return refused('unknown', error.message)
      throw error
    }
  }

  /** Without room the manifest still reaches whoever asked; it is only not kept. */
  async #store(digest: Digest, bytes: Uint8Array): Promise<void> {
    try {
      await this.#deps.store.putSmall(digest, bytes)
    } catch (error) {
      if (!isUnstorable(error)) throw error
      this.#deps.logger.warn({ digest, err: error }, 'a manifest cannot be stored')
    }
  }

  async #stored({ upstream, repository }: RepositoryRef, digest: Digest): Promise<ResolvedManifest | undefined> {
    const { grants, store } = this.#deps
    const ref = { upstream, repository, digest }
    const grant = await grants.find(ref)
    if (grant?.kind !== 'manifest' || !(await grants.entitles(ref))) return undefined
    const bytes = await store.readSmall(digest, MAX_MANIFEST_BYTES)
    if (bytes === undefined) return undefined
    const mediaType = grant.mediaType ?? parseManifest(bytes).mediaType
    return { digest, bytes, mediaType, source: 'local' satisfies ContentSource, stale: false, ageMs: 0 }
  }
}

/** What differs between tags and digests. */
type Rungs = Pick<Climb<FoundManifest, ResolvedManifest>, 'key' | 'here' | 'about' | 'atOrigin' | 'instead'>

function nameOf({ upstream, repository, target }: Reference): string {
  return target.kind === 'tag'
    ? tagName({ upstream, repository, tag: target.tag })
    : blobName({ upstream, repository, digest: target.digest })
}

/** What a trace says of an answer. */
function resolved(outcome: Outcome<ResolvedManifest>): SpanAttributes {
  if (isRefused(outcome)) return { refusal: outcome.message }
  return { digest: outcome.digest, source: outcome.source }
}
