import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Counter, MetricRegistry } from '../base/metrics.ts'
import { LINGER_MS, LINGERING_MOST } from '../base/patience.ts'
import { SingleFlight } from '../base/single-flight.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'
import { isReferrerTag, MAX_MANIFEST_BYTES, parseManifest } from '../oci/manifest.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import type { OriginChain, OriginManifest } from '../origin/index.ts'
import type { BlobStore } from '../store/index.ts'
import type { Asked, Tier } from '../tier/index.ts'
import type { Grants } from './grants.ts'
import type { ContentSource, Outcome } from './interface.ts'
import type { KnownTagsOptions, ResolvedManifest, TagAnswer, TagRef } from './known-tags.ts'
import { KnownTags } from './known-tags.ts'
import { failure, found, refusalOf, unavailable, unknown } from './outcome.ts'
import type { TagCache } from './tag-cache.ts'
import { tagKey } from './tag-cache.ts'
import type { TagProofs } from './tag-proof.ts'

export interface ManifestsDeps {
  readonly store: BlobStore
  readonly tier: Tier
  readonly grants: Grants
  readonly tags: TagCache
  readonly proofs: TagProofs
  readonly logger: Logger
  readonly registry: MetricRegistry
  readonly clock: Clock
  readonly origins: (upstream: string) => OriginChain | undefined
}

export interface ManifestRef {
  readonly upstream: string
  readonly repository: string
  readonly target: TagOrDigest
}

type ManifestAsked = Asked<'manifest'> & TagAnswer
type Way = (signal: AbortSignal) => Promise<Outcome<ResolvedManifest>>

/**
 * Manifests by tag and digest. Only a tag's home asks above, one question at a time for all who wait; everybody else
 * asks the home. Digests are immutable and kept for good; tags live for a while and are then confirmed. What a tag
 * points to is believed from an origin, from a cache over its own link, or under a cache's signature.
 */
export class Manifests {
  readonly #options: KnownTagsOptions
  readonly #deps: ManifestsDeps
  readonly #known: KnownTags
  readonly #flights: SingleFlight<Outcome<ResolvedManifest>>
  readonly #lookups: Counter<'result'>

  constructor(options: KnownTagsOptions, deps: ManifestsDeps) {
    this.#options = options
    this.#deps = deps
    this.#flights = new SingleFlight({ clock: deps.clock, ms: LINGER_MS, most: LINGERING_MOST })
    this.#lookups = deps.registry.counter('shoal_tag_lookups_total', 'Tag look-ups by how they were answered', [
      'result',
    ])
    const { tags, proofs, logger } = deps
    const stored = this.#stored.bind(this)
    this.#known = new KnownTags(options, { tags, proofs, logger, lookups: this.#lookups, stored })
  }

  /** For this host's own door: from the store, the home, or as the home. Never rejects but with the signal's reason. */
  find(ref: ManifestRef, signal: AbortSignal): Promise<Outcome<ResolvedManifest>> {
    return this.#flight('find', ref, (shared) => this.#find(ref, shared), signal)
  }

  /** As the home: asks the tier above, then the origin. */
  findAsHome(ref: ManifestRef, signal: AbortSignal): Promise<Outcome<ResolvedManifest>> {
    return this.#flight('home', ref, (shared) => this.#findAsHome(ref, shared), signal)
  }

  /** In a client's own name, past all caches of tags: its right to read is what the origin says now. */
  async findAsClient(ref: ManifestRef, authorization: string, signal: AbortSignal): Promise<Outcome<ResolvedManifest>> {
    const chain = this.#deps.origins(ref.upstream)
    if (chain === undefined) return unknown(`no upstream is called ${ref.upstream}`)
    try {
      let digest = ref.target.kind === 'digest' ? ref.target.digest : undefined
      if (ref.target.kind === 'tag') {
        const { repository, target } = ref
        const resolution = await chain.resolveTag({ repository, tag: target.tag, authorization, signal })
        if (resolution.kind === 'found') digest = resolution.state.digest
      }
      if (digest === undefined) return unknown(`${ref.upstream}/${ref.repository} has no such tag`)
      return await this.#fromOrigin(chain, ref, digest, authorization, signal)
    } catch (error) {
      return failure(error, signal)
    }
  }

  /** Forgets a tag; the next look-up asks above. */
  forget(upstream: string, repository: string, tag: string): Promise<void> {
    return this.#deps.tags.forget(upstream, repository, tag)
  }

  #flight(way: string, ref: ManifestRef, work: Way, signal: AbortSignal): Promise<Outcome<ResolvedManifest>> {
    return this.#flights.run(`${way} ${homeKey(ref)} ${ref.upstream}/${ref.repository}`, work, signal)
  }

  async #find(ref: ManifestRef, signal: AbortSignal): Promise<Outcome<ResolvedManifest>> {
    if (ref.target.kind === 'digest') {
      const stored = await this.#stored(ref, ref.target.digest)
      if (stored !== undefined) return found(stored)
    }
    const tagged = tagRef(ref)
    // while the caches are gone, who could be asked is as far from the upstream as this host
    const fresh = tagged !== undefined && this.#deps.tier.acting ? await this.#known.fresh(tagged) : undefined
    if (fresh !== undefined) return fresh
    const args = { upstream: ref.upstream, repository: ref.repository, target: ref.target }
    const asked = await this.#deps.tier.askHomes(homeKey(ref), { name: 'manifest', args }, signal)
    if (asked === undefined) return this.#findAsHome(ref, signal)
    if (isManifest(asked) && asked.link.peer.role !== 'cache') return this.#fromMember(ref, asked, signal)
    const outcome = await this.#accept(ref, asked, 'home')
    if (outcome.ok || outcome.reason !== 'unavailable' || tagged === undefined) return outcome
    return (await this.#known.stale(tagged)) ?? outcome
  }

  /**
   * A host that stands in for the caches has answered. A manifest's bytes prove themselves; what a tag points to must be
   * signed, and newer than what is known here. Otherwise this host asks the origin itself.
   */
  async #fromMember(ref: ManifestRef, asked: ManifestAsked, signal: AbortSignal): Promise<Outcome<ResolvedManifest>> {
    const tagged = tagRef(ref)
    const ageMs = tagged === undefined ? 0 : await this.#known.newsMs(tagged, asked)
    if (ageMs === undefined) return this.#findAsHome(ref, signal)
    const stale = ageMs >= this.#options.tagTtlMs
    const outcome = await this.#accept(ref, { link: asked.link, answer: { ...asked.answer, ageMs, stale } }, 'home')
    return outcome.ok && !outcome.value.stale ? outcome : this.#findAsHome(ref, signal)
  }

  async #findAsHome(ref: ManifestRef, signal: AbortSignal): Promise<Outcome<ResolvedManifest>> {
    try {
      if (ref.target.kind === 'tag') return await this.#tagAsHome(ref, { ...ref, tag: ref.target.tag }, signal)
      const stored = await this.#stored(ref, ref.target.digest)
      if (stored !== undefined) return found(stored)
      return await this.#fromAbove(ref, ref.target.digest, signal)
    } catch (error) {
      return failure(error, signal)
    }
  }

  async #tagAsHome(ref: ManifestRef, tagged: TagRef, signal: AbortSignal): Promise<Outcome<ResolvedManifest>> {
    const fresh = await this.#known.fresh(tagged)
    if (fresh !== undefined) return fresh
    const outcome = await this.#confirm(ref, tagged, signal)
    if (outcome.ok || outcome.reason !== 'unavailable' || isReferrerTag(tagged.tag)) return outcome
    return (await this.#known.stale(tagged)) ?? outcome
  }

  /** Asks above what a tag points to now. */
  async #confirm(ref: ManifestRef, tagged: TagRef, signal: AbortSignal): Promise<Outcome<ResolvedManifest>> {
    const { upstream, repository, tag } = tagged
    const { tier, tags, origins } = this.#deps
    const args = { upstream, repository, target: ref.target }
    const asked = await tier.askParents(homeKey(ref), { name: 'manifest', args }, signal)
    if (asked !== undefined) return this.#accept(ref, asked, 'parent')
    const chain = origins(upstream)
    if (chain === undefined) return unknown(`no upstream is called ${upstream}`)
    try {
      const known = await this.#known.find(tagged)
      const resolution = await chain.resolveTag({ repository, tag, known, signal })
      if (resolution.kind === 'unknown') {
        await tags.forget(upstream, repository, tag)
        this.#lookups.inc({ result: 'miss' })
        return unknown(`${upstream}/${repository} has no tag ${tag}`)
      }
      const state = resolution.kind === 'unchanged' ? known : resolution.state
      if (state === undefined) return unavailable('the origin says "unchanged" of a tag never seen')
      this.#lookups.inc({ result: state.digest === known?.digest ? 'revalidated' : 'miss' })
      const given = resolution.kind === 'found' ? resolution.manifest : undefined
      const stored = await this.#stored(ref, state.digest)
      const here = stored === undefined ? await this.#given(ref, state.digest, given) : found(stored)
      const manifest = here ?? (await this.#fromAbove(ref, state.digest, signal))
      return manifest.ok ? await this.#known.confirmed(tagged, state.etag, manifest.value) : manifest
    } catch (error) {
      return failure(error, signal)
    }
  }

  /** What an origin gave together with the answer about its tag, if it is what the digest says. */
  async #given(
    ref: ManifestRef,
    digest: Digest,
    manifest: OriginManifest | undefined,
  ): Promise<Outcome<ResolvedManifest> | undefined> {
    if (manifest === undefined || digestOf(manifest.bytes, digest) !== digest) return undefined
    const { bytes, mediaType } = manifest
    return this.#keep(ref, { digest, bytes, mediaType, source: 'origin', stale: false, ageMs: 0 })
  }

  async #fromAbove(ref: ManifestRef, digest: Digest, signal: AbortSignal): Promise<Outcome<ResolvedManifest>> {
    const { upstream, repository } = ref
    const target = { kind: 'digest', digest } as const
    const asked = await this.#deps.tier.askParents(
      digest,
      { name: 'manifest', args: { upstream, repository, target } },
      signal,
    )
    if (asked !== undefined) return this.#accept({ upstream, repository, target }, asked, 'parent')
    const chain = this.#deps.origins(upstream)
    if (chain === undefined) return unknown(`no upstream is called ${upstream}`)
    return this.#fromOrigin(chain, ref, digest, undefined, signal)
  }

  async #fromOrigin(
    chain: OriginChain,
    ref: ManifestRef,
    digest: Digest,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<Outcome<ResolvedManifest>> {
    const { repository } = ref
    // each once, and one more time where all have been wrong
    for (let attempt = 0; attempt <= chain.labels.length; attempt++) {
      const used = new Set<string>()
      const onSource = (label: string): void => void used.add(label)
      const manifest = await chain.manifest({ repository, digest, authorization, signal, onSource })
      if (manifest === undefined) break
      if (digestOf(manifest.bytes, digest) === digest) {
        return this.#keep(ref, {
          digest,
          bytes: manifest.bytes,
          mediaType: manifest.mediaType,
          source: 'origin',
          stale: false,
          ageMs: 0,
        })
      }
      for (const label of used) chain.distrust(label, digest)
      if (attempt === chain.labels.length) return unavailable(`every origin serves wrong bytes for ${digest}`)
    }
    return unknown(`${ref.upstream}/${repository} has no manifest ${digest}`)
  }

  /** Takes a peer's answer, if it is what its digest says, and remembers what a tag points to. */
  async #accept(
    ref: ManifestRef,
    asked: Asked<'manifest'>,
    source: 'home' | 'parent',
  ): Promise<Outcome<ResolvedManifest>> {
    if (asked.answer.kind === 'refused') return refusalOf(asked.answer)
    if (!isManifest(asked)) return unavailable('nobody answered')
    const { link, answer } = asked
    const { digest, bytes, stale, ageMs } = answer
    const wrong = digestOf(bytes, digest) !== digest || (ref.target.kind === 'digest' && ref.target.digest !== digest)
    if (wrong) return unavailable('a peer sent a manifest that does not match its digest')
    // the bytes of a digest prove themselves, what a member calls them does not
    const isHearsay = link.peer.role !== 'cache' && ref.target.kind === 'digest'
    const mediaType = isHearsay ? undefined : answer.mediaType
    const kept = await this.#keep(ref, { digest, bytes, mediaType, source, stale, ageMs })
    const tagged = tagRef(ref)
    return kept.ok && tagged !== undefined ? this.#known.told(tagged, asked, kept.value) : kept
  }

  async #keep(
    ref: ManifestRef,
    content: Omit<ResolvedManifest, 'mediaType'> & { readonly mediaType: string | undefined },
  ): Promise<Outcome<ResolvedManifest>> {
    const { digest, bytes } = content
    try {
      const manifest = parseManifest(bytes)
      const mediaType = content.mediaType ?? manifest.mediaType
      await this.#store(digest, bytes)
      await this.#deps.grants.manifest(ref.upstream, ref.repository, digest, {
        size: bytes.length,
        mediaType,
        manifest,
      })
      return found({ ...content, mediaType })
    } catch (error) {
      if (isShoalError(error, 'MANIFEST_INVALID')) return unknown(error.message)
      throw error
    }
  }

  /** Without room the manifest still reaches who asked; it is only not kept. */
  async #store(digest: Digest, bytes: Uint8Array): Promise<void> {
    try {
      await this.#deps.store.putSmall(digest, bytes)
    } catch (error) {
      if (!isShoalError(error, 'STORE_DISK_FULL', 'STORE_FAILED')) throw error
      this.#deps.logger.warn({ digest, err: error.message }, 'a manifest cannot be stored')
    }
  }

  async #stored(
    ref: Pick<ManifestRef, 'upstream' | 'repository'>,
    digest: Digest,
  ): Promise<ResolvedManifest | undefined> {
    const grant = await this.#deps.grants.find(ref.upstream, ref.repository, digest)
    if (grant?.kind !== 'manifest') return undefined
    if (!(await this.#deps.grants.entitles(ref.upstream, ref.repository, digest))) return undefined
    const bytes = await this.#deps.store.readSmall(digest, MAX_MANIFEST_BYTES)
    if (bytes === undefined) return undefined
    const mediaType = grant.mediaType ?? parseManifest(bytes).mediaType
    return { digest, bytes, mediaType, source: 'local' satisfies ContentSource, stale: false, ageMs: 0 }
  }
}

function isManifest(asked: Asked<'manifest'>): asked is ManifestAsked {
  return asked.answer.kind === 'manifest' && asked.link !== undefined
}

function tagRef({ upstream, repository, target }: ManifestRef): TagRef | undefined {
  return target.kind === 'tag' ? { upstream, repository, tag: target.tag } : undefined
}

function homeKey({ upstream, repository, target }: ManifestRef): string {
  return target.kind === 'tag' ? tagKey(upstream, repository, target.tag) : target.digest
}
