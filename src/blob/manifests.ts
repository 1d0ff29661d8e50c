import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Counter, MetricRegistry } from '../base/metrics.ts'
import { SingleFlight } from '../base/single-flight.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'
import { isReferrerTag, MAX_MANIFEST_BYTES, parseManifest } from '../oci/manifest.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import type { OriginChain } from '../origin/index.ts'
import type { BlobStore } from '../store/index.ts'
import type { Asked, Tier } from '../tier/index.ts'
import type { Grants } from './grants.ts'
import type { ContentSource, ManifestContent, Outcome } from './interface.ts'
import { failure, found, refusalOf, unavailable, unknown } from './outcome.ts'
import type { KnownTag, TagCache } from './tag-cache.ts'
import { tagKey } from './tag-cache.ts'

export interface ManifestsDeps {
  readonly store: BlobStore
  readonly tier: Tier
  readonly grants: Grants
  readonly tags: TagCache
  readonly logger: Logger
  readonly registry: MetricRegistry
  readonly origins: (upstream: string) => OriginChain | undefined
}

export interface ManifestsOptions {
  /** How long a home answers for a tag without asking above. */
  readonly tagTtlMs: number
  /** How old an answer may be when nobody above can be asked. */
  readonly tagMaxStaleMs: number
}

export interface ManifestRef {
  readonly upstream: string
  readonly repository: string
  readonly target: TagOrDigest
}

/** A manifest and how long ago the upstream confirmed that its tag points to it (0 for digests). */
export type ResolvedManifest = ManifestContent & { readonly ageMs: number }

type Way = (signal: AbortSignal) => Promise<Outcome<ResolvedManifest>>

/**
 * Manifests by tag and digest. Only a tag's home asks above, one question at a time for all who wait; everybody else
 * asks the home. Digests are immutable and kept for good; tags live for a while and are then confirmed.
 */
export class Manifests {
  readonly #options: ManifestsOptions
  readonly #deps: ManifestsDeps
  readonly #flights = new SingleFlight<Outcome<ResolvedManifest>>()
  readonly #lookups: Counter<'result'>

  constructor(options: ManifestsOptions, deps: ManifestsDeps) {
    this.#options = options
    this.#deps = deps
    this.#lookups = deps.registry.counter('shoal_tag_lookups_total', 'Tag look-ups by how they were answered', [
      'result',
    ])
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
    const args = { upstream: ref.upstream, repository: ref.repository, target: ref.target }
    const asked = await this.#deps.tier.askHomes(homeKey(ref), { name: 'manifest', args }, signal)
    if (asked === undefined) return this.#findAsHome(ref, signal)
    const outcome = await this.#accept(ref, asked, 'home')
    if (outcome.ok || outcome.reason !== 'unavailable' || ref.target.kind === 'digest') return outcome
    return (await this.#stale(ref, ref.target.tag)) ?? outcome
  }

  async #findAsHome(ref: ManifestRef, signal: AbortSignal): Promise<Outcome<ResolvedManifest>> {
    try {
      if (ref.target.kind === 'tag') return await this.#tagAsHome(ref, ref.target.tag, signal)
      const stored = await this.#stored(ref, ref.target.digest)
      if (stored !== undefined) return found(stored)
      return await this.#fromAbove(ref, ref.target.digest, signal)
    } catch (error) {
      return failure(error, signal)
    }
  }

  async #tagAsHome(ref: ManifestRef, tag: string, signal: AbortSignal): Promise<Outcome<ResolvedManifest>> {
    const { upstream, repository } = ref
    const known = await this.#deps.tags.find(upstream, repository, tag)
    const age = known === undefined ? undefined : this.#deps.tags.ageMs(upstream, repository, tag, known)
    // signatures and referrers change meaning by appearing: they are always looked up
    if (known !== undefined && age !== undefined && age < this.#options.tagTtlMs && !isReferrerTag(tag)) {
      const stored = await this.#stored(ref, known.digest)
      if (stored !== undefined) {
        this.#lookups.inc({ result: 'fresh' })
        return found({ ...stored, ageMs: age })
      }
    }
    const outcome = await this.#confirm(ref, tag, known, signal)
    if (outcome.ok || outcome.reason !== 'unavailable' || isReferrerTag(tag)) return outcome
    return (await this.#stale(ref, tag)) ?? outcome
  }

  /** Asks above what a tag points to now. */
  async #confirm(
    ref: ManifestRef,
    tag: string,
    known: KnownTag | undefined,
    signal: AbortSignal,
  ): Promise<Outcome<ResolvedManifest>> {
    const { upstream, repository } = ref
    const { tier, tags, origins } = this.#deps
    const asked = await tier.askParents(
      homeKey(ref),
      { name: 'manifest', args: { upstream, repository, target: ref.target } },
      signal,
    )
    if (asked !== undefined) return this.#accept(ref, asked, 'parent')
    const chain = origins(upstream)
    if (chain === undefined) return unknown(`no upstream is called ${upstream}`)
    try {
      const resolution = await chain.resolveTag({ repository, tag, known, signal })
      if (resolution.kind === 'unknown') {
        await tags.forget(upstream, repository, tag)
        this.#lookups.inc({ result: 'miss' })
        return unknown(`${upstream}/${repository} has no tag ${tag}`)
      }
      const state = resolution.kind === 'unchanged' ? known : resolution.state
      if (state === undefined) return unavailable('the origin says "unchanged" of a tag never seen')
      this.#lookups.inc({ result: state.digest === known?.digest ? 'revalidated' : 'miss' })
      const manifest = (await this.#stored(ref, state.digest)) ?? (await this.#fromAbove(ref, state.digest, signal))
      if ('ok' in manifest && !manifest.ok) return manifest
      await tags.keep(upstream, repository, tag, { digest: state.digest, etag: state.etag }, 0)
      return 'ok' in manifest ? manifest : found(manifest)
    } catch (error) {
      return failure(error, signal)
    }
  }

  /** The last known answer while nobody above can be asked: marked, and not older than allowed. */
  async #stale(ref: ManifestRef, tag: string): Promise<Outcome<ResolvedManifest> | undefined> {
    const { tags } = this.#deps
    const { upstream, repository } = ref
    const known = await tags.find(upstream, repository, tag)
    if (known === undefined) return undefined
    const age = tags.ageMs(upstream, repository, tag, known)
    if (age !== undefined && age > this.#options.tagMaxStaleMs) return undefined
    const stored = await this.#stored(ref, known.digest)
    if (stored === undefined) return undefined
    // noted by a clock that has been set back since: its time of grace begins when that is seen
    if (age === undefined) await tags.keep(upstream, repository, tag, known, 0)
    const ageMs = age ?? 0
    this.#lookups.inc({ result: 'stale' })
    this.#deps.logger.warn(
      { upstream: ref.upstream, ageMs },
      'the upstream cannot be asked: serving the last known tag',
    )
    return found({ ...stored, stale: true, ageMs })
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
    { answer }: Asked<'manifest'>,
    source: 'home' | 'parent',
  ): Promise<Outcome<ResolvedManifest>> {
    if (answer.kind === 'refused') return refusalOf(answer)
    const { digest, bytes, mediaType, stale, ageMs } = answer
    const wrong = digestOf(bytes, digest) !== digest || (ref.target.kind === 'digest' && ref.target.digest !== digest)
    if (wrong) return unavailable('a cache sent a manifest that does not match its digest')
    if (ref.target.kind === 'tag') {
      await this.#deps.tags.keep(ref.upstream, ref.repository, ref.target.tag, { digest }, ageMs)
    }
    return this.#keep(ref, { digest, bytes, mediaType, source, stale, ageMs })
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

  async #stored(ref: Omit<ManifestRef, 'target'>, digest: Digest): Promise<ResolvedManifest | undefined> {
    const grant = await this.#deps.grants.find(ref.upstream, ref.repository, digest)
    if (grant?.kind !== 'manifest') return undefined
    const bytes = await this.#deps.store.readSmall(digest, MAX_MANIFEST_BYTES)
    if (bytes === undefined) return undefined
    const mediaType = grant.mediaType ?? parseManifest(bytes).mediaType
    return { digest, bytes, mediaType, source: 'local' satisfies ContentSource, stale: false, ageMs: 0 }
  }
}

function homeKey({ upstream, repository, target }: ManifestRef): string {
  return target.kind === 'tag' ? tagKey(upstream, repository, target.tag) : target.digest
}
