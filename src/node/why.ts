import type { WhyOrigin, WhyPart, WhySource, WhyView } from '../admin/index.ts'
import type { Clock } from '../base/clock.ts'
import type { Events } from '../base/events.ts'
import { isRefused, refusalOf } from '../base/outcome.ts'
import { WHY_PART_MS } from '../base/patience.ts'
import type { TagCache, UpstreamAccess } from '../blob/index.ts'
import { blobRequests } from '../blob/index.ts'
import type { Digest } from '../oci/digest.ts'
import { MAX_MANIFEST_BYTES, manifestChildren, parseManifest } from '../oci/manifest.ts'
import type { Reference } from '../oci/reference.ts'
import { parseReference, referenceText, tagName, tagOf } from '../oci/reference.ts'
import type { BlobStore } from '../store/index.ts'
import type { PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'

interface WhyDeps {
  readonly clock: Pick<Clock, 'now'>
  readonly store: Pick<BlobStore, 'size' | 'readSmall'>
  readonly swarm: Pick<Swarm, 'self'>
  readonly tier: Pick<Tier, 'homes' | 'status'>
  readonly tags: Pick<TagCache, 'find' | 'ageMs'>
  readonly upstreams: ReadonlyMap<string, UpstreamAccess>
  readonly events: Pick<Events, 'since'>
  readonly tagTtlMs: () => number
  readonly defaultUpstream: () => string
}

const MOST_EVENTS = 5
const MOST_MANIFESTS = 64

/** What this host, its home and the origin say about one image, each asked now. */
export class Why implements WhySource {
  readonly #deps: WhyDeps

  constructor(deps: WhyDeps) {
    this.#deps = deps
  }

  async why(text: string, signal: AbortSignal): Promise<WhyView> {
    const { upstreams, defaultUpstream, tier, events } = this.#deps
    const reference = parseReference(text, defaultUpstream(), (word) => upstreams.has(word))
    const upstream = upstreams.get(reference.upstream)
    const [here, home, origin] = await Promise.all([
      this.#here(reference),
      upstream === undefined ? undefined : this.#home(reference, signal),
      upstream === undefined ? undefined : this.#origin(reference, upstream, signal),
    ])
    const image = referenceText(reference)
    const recent = events.since(0).filter(({ fields }) => 'image' in fields && fields.image === image)
    return {
      reference: image,
      upstream: { name: reference.upstream, access: upstream?.access ?? null },
      upstreams: [...upstreams.keys()],
      tier: tier.status().state,
      here,
      home: home ?? null,
      origin: origin ?? null,
      recent: recent.slice(-MOST_EVENTS).map(({ kind, epochMs, fields }) => ({ kind, epochMs, ...fields })),
    }
  }

  async #here(reference: Reference): Promise<WhyView['here']> {
    const { tags, tagTtlMs } = this.#deps
    const tagged = tagOf(reference)
    const known = tagged === undefined ? undefined : await tags.find(tagged)
    const digest = reference.target.kind === 'digest' ? reference.target.digest : known?.digest
    const ageMs = tagged === undefined || known === undefined ? null : (tags.ageMs(tagged, known) ?? null)
    return {
      digest: digest ?? null,
      ageSeconds: ageMs === null ? null : ageMs / 1000,
      fresh: ageMs === null ? null : ageMs < tagTtlMs(),
      ...(await this.#stored(digest)),
    }
  }

  /** How much of an image lies here: of an index, of the images of it that do. */
  async #stored(digest: Digest | undefined): Promise<Pick<WhyView['here'], 'manifest' | 'blobs' | 'presentBlobs'>> {
    const { store } = this.#deps
    const blobs = new Set<Digest>()
    const queue = digest === undefined ? [] : [digest]
    let manifests = 0
    for (let next = queue.shift(); next !== undefined && manifests < MOST_MANIFESTS; next = queue.shift()) {
      const bytes = await store.readSmall(next, MAX_MANIFEST_BYTES)
      if (bytes === undefined) continue
      manifests++
      const manifest = parseManifest(bytes)
      const children = manifestChildren(manifest).map((child) => child.digest)
      if (manifest.kind === 'index') queue.push(...children)
      else for (const child of children) blobs.add(child)
    }
    const present = [...blobs].filter((blob) => store.size(blob) !== undefined)
    return { manifest: manifests > 0, blobs: blobs.size, presentBlobs: present.length }
  }

  async #home(reference: Reference, signal: AbortSignal): Promise<WhyPart> {
    const { tier, swarm } = this.#deps
    const { upstream, repository, target } = reference
    const key = target.kind === 'tag' ? tagName({ upstream, repository, tag: target.tag }) : target.digest
    const [home] = tier.homes(key)
    if (home === undefined || home.kind === 'self') {
      return { who: `this host (${swarm.self.role})`, isSelf: true, digest: null, refusal: null, seconds: 0 }
    }
    return this.#asked(nameOf(home.link), signal, async (limited) => {
      const answer = await home.link.request(blobRequests.manifest, { upstream, repository, target }, limited)
      return isRefused(answer) ? answer : answer.digest
    })
  }

  async #origin(
    { repository, target }: Reference,
    { chain, access }: UpstreamAccess,
    signal: AbortSignal,
  ): Promise<WhyOrigin> {
    const who = chain.labels.join(', ')
    const part = await this.#asked(who, signal, async (limited) => {
      const guest = access === 'passthrough' ? { authorization: '' } : {}
      if (target.kind === 'tag') {
        const resolution = await chain.resolveTag({ repository, tag: target.tag, signal: limited, ...guest })
        return resolution.kind === 'found' ? resolution.state.digest : undefined
      }
      const manifest = await chain.manifest({ repository, digest: target.digest, signal: limited, ...guest })
      return manifest === undefined ? undefined : target.digest
    })
    const troubles = chain.places.flatMap(({ label, trouble }) => {
      if (trouble === undefined) return []
      const { state, message, remedy } = trouble
      return { origin: label, state, message, remedy }
    })
    return { ...part, troubles }
  }

  async #asked(
    who: string,
    signal: AbortSignal,
    ask: (signal: AbortSignal) => Promise<Digest | ReturnType<typeof refusalOf> | undefined>,
  ): Promise<WhyPart> {
    const { clock } = this.#deps
    const startedAt = clock.now()
    const limited = AbortSignal.any([signal, AbortSignal.timeout(WHY_PART_MS)])
    const answer = await ask(limited).catch((error: unknown) => {
      signal.throwIfAborted()
      return limited.aborted
        ? { reason: 'unavailable' as const, message: `no answer within ${WHY_PART_MS / 1000} s` }
        : refusalOf(error)
    })
    const seconds = (clock.now() - startedAt) / 1000
    if (typeof answer === 'string') return { who, isSelf: false, digest: answer, refusal: null, seconds }
    const { reason, message } = answer ?? { reason: 'unknown' as const, message: 'it has no such image' }
    return { who, isSelf: false, digest: null, refusal: { reason, message }, seconds }
  }
}

function nameOf({ peer, dialled }: PeerLink): string {
  return `${peer.role} ${dialled ?? peer.addresses[0] ?? peer.key}`
}
