import { abortError } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Digest } from '../oci/digest.ts'
import { referrersTag } from '../oci/digest.ts'
import { MAX_MANIFEST_BYTES } from '../oci/manifest.ts'
import { isTag } from '../oci/reference.ts'
import { noBytes } from './body-stream.ts'
import {
  blobDataPath,
  layerLinkPath,
  MAX_LINK_BYTES,
  parseLink,
  revisionLinkPath,
  tagLinkPath,
  tagsPath,
} from './distribution-layout.ts'
import type {
  BlobReadQuery,
  Origin,
  OriginManifest,
  OriginQuery,
  TagPage,
  TagResolution,
  TagState,
} from './interface.ts'
import type { ObjectReader } from './object-reader.ts'

/** Long enough that the ranges of one blob cost one look at its link, short enough that a removal is soon felt. */
const LINK_MEMORY_MS = 60_000
const MAX_REMEMBERED_LINKS = 4096
const PLACE_MEMORY_MS = 60_000
/** More tags than this in one answer help nobody. */
const MAX_TAGS = 100_000

/** An origin in the layout of a Distribution registry, over a bucket or a directory. It owns its reader. */
export class LayoutOrigin implements Origin {
  readonly kind: 's3' | 'directory'
  readonly label: string
  readonly #reader: ObjectReader
  /** `repository@digest` -> the digest its data lies under, for reads that follow one another. */
  readonly #links: ExpiringMap<Digest>
  /** That there is, or may be, a registry's content at all. */
  readonly #placed: ExpiringMap<true>

  constructor(reader: ObjectReader, clock: Clock) {
    this.kind = reader.kind
    this.label = reader.label
    this.#reader = reader
    this.#links = new ExpiringMap(clock, MAX_REMEMBERED_LINKS)
    this.#placed = new ExpiringMap(clock, 1)
  }

  async resolveTag(query: OriginQuery & { tag: string; known?: TagState | undefined }): Promise<TagResolution> {
    const path = tagLinkPath(query.repository, query.tag)
    const { known, signal } = query
    const link = await this.#reader.small(path, { maxBytes: MAX_LINK_BYTES, etag: known?.etag, signal })
    if (link === undefined) {
      await this.#requirePlace(signal)
      return { kind: 'unknown' }
    }
    if (link === 'unchanged') return { kind: 'unchanged' }
    const digest = link === 'too large' ? undefined : parseLink(link.bytes)
    if (digest === undefined || link === 'too large') throw this.#badLink(path)
    return { kind: 'found', state: { digest, etag: link.etag } }
  }

  async manifest(query: OriginQuery & { digest: Digest }): Promise<OriginManifest | undefined> {
    const target = await this.#followLink(revisionLinkPath(query.repository, query.digest), query.signal)
    if (target === undefined) return undefined
    const path = blobDataPath(target)
    const object = await this.#reader.small(path, { maxBytes: MAX_MANIFEST_BYTES, signal: query.signal })
    if (object === 'too large') {
      throw new ShoalError('MANIFEST_INVALID', `${this.label} has a manifest above ${MAX_MANIFEST_BYTES} bytes`)
    }
    return object === undefined || object === 'unchanged' ? undefined : { bytes: object.bytes, mediaType: undefined }
  }

  async statBlob(query: OriginQuery & { digest: Digest }): Promise<{ readonly size: number } | undefined> {
    const { digest, signal } = query
    // a link nearly always leads to the digest it is named after: both questions at once, and no answer without the link
    const guess = this.#reader.size(blobDataPath(digest), signal)
    guess.catch(() => {})
    const target = await this.#blobTarget(query)
    if (target === undefined) return undefined
    const size = await (target === digest ? guess : this.#reader.size(blobDataPath(target), signal))
    return size === undefined ? undefined : { size }
  }

  async readBlob(query: BlobReadQuery): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { range, size, signal } = query
    const known = query.vouched === true ? query.digest : this.#links.get(linkKey(query))
    if (known === undefined && range.start < range.end) return this.#readUnlinked(query)
    // a registry that keeps its links in a database has vouched for it in their place
    const target = known ?? (await this.#blobTarget(query))
    if (target === undefined) return undefined
    if (range.start < range.end) return this.#reader.range(blobDataPath(target), { range, size, signal })
    const actual = await this.#reader.size(blobDataPath(target), signal)
    if (actual === undefined) return undefined
    if (actual === size) return noBytes()
    throw new ShoalError('ORIGIN_CHANGED', `${this.label} has ${actual} bytes where ${size} were expected`)
  }

  async listTags(
    query: OriginQuery & { limit?: number | undefined; after?: string | undefined },
  ): Promise<TagPage | undefined> {
    const limit = Math.min(query.limit ?? MAX_TAGS, MAX_TAGS)
    const path = tagsPath(query.repository)
    const { after, signal } = query
    // A limit of 0 still has to tell a repository from none.
    const page = await this.#reader.folders(path, { after, limit: Math.max(limit, 1), signal })
    if (page === undefined) {
      await this.#requirePlace(signal)
      return undefined
    }
    return limit === 0 ? { tags: [], more: false } : { tags: page.names.filter(isTag), more: page.more }
  }

  async referrers(
    query: OriginQuery & { digest: Digest; artifactType?: string | undefined },
  ): Promise<OriginManifest | undefined> {
    const { repository, signal } = query
    const tag = await this.resolveTag({ repository, signal, tag: referrersTag(query.digest) })
    return tag.kind === 'found' ? this.manifest({ repository, signal, digest: tag.state.digest }) : undefined
  }

  async challenge(): Promise<undefined> {
    return undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]()
  }

  /** A range of a blob whose link is not known yet: asked for together with the link, given only once that is found. */
  async #readUnlinked(query: BlobReadQuery): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { digest, range, size, signal } = query
    const enough = new AbortController()
    const reading = { range, size, signal: AbortSignal.any([signal, enough.signal]) }
    const guess = this.#reader.range(blobDataPath(digest), reading)
    guess.catch(() => {})
    try {
      const target = await this.#blobTarget(query)
      if (target === digest) return await guess
      enough.abort(abortError('not what the link leads to'))
      return target === undefined ? undefined : await this.#reader.range(blobDataPath(target), { range, size, signal })
    } catch (error) {
      enough.abort(error)
      throw error
    }
  }

  /** The proof that a repository may read a blob: a link to it as a layer or config. Manifests have links of their own. */
  async #blobTarget(query: OriginQuery & { digest: Digest }): Promise<Digest | undefined> {
    const { repository, digest, signal } = query
    const target = await this.#followLink(layerLinkPath(repository, digest), signal)
    if (target === undefined) this.#links.delete(linkKey(query))
    else this.#links.set(linkKey(query), target, LINK_MEMORY_MS)
    return target
  }

  async #followLink(path: string, signal: AbortSignal): Promise<Digest | undefined> {
    const link = await this.#reader.small(path, { maxBytes: MAX_LINK_BYTES, signal })
    if (link === undefined) return undefined
    const digest = typeof link === 'string' ? undefined : parseLink(link.bytes)
    if (digest === undefined) throw this.#badLink(path)
    return digest
  }

  /** Nothing was found: a place where nothing can be found is a mistake of the configuration. Throws `CONFIG_INVALID`. */
  async #requirePlace(signal: AbortSignal): Promise<void> {
    if (this.#placed.get('') === true) return
    const why = await this.#reader.misplaced(signal)
    if (why !== undefined) throw new ShoalError('CONFIG_INVALID', `${this.label} ${why}`)
    this.#placed.set('', true, PLACE_MEMORY_MS)
  }

  #badLink(path: string): ShoalError {
    return new ShoalError('ORIGIN_CHANGED', `${this.label}: ${path} holds no digest`)
  }
}

function linkKey(query: { readonly repository: string; readonly digest: Digest }): string {
  return `${query.repository}@${query.digest}`
}
