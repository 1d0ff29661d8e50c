import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'
import type { Digest } from '../oci/digest.ts'
import { digestAlgorithm, digestHex, parseDigest, requireDigest } from '../oci/digest.ts'
import { MAX_MANIFEST_BYTES } from '../oci/manifest.ts'
import { isRepositoryName, isTag } from '../oci/reference.ts'
import { noBytes } from './body-stream.ts'
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
import { namedIn } from './oci-layout-names.ts'

/** An index above this is no image layout that a person made. */
const MAX_INDEX_BYTES = 16 * 1024 * 1024

const indexSchema = z.object({
  manifests: z
    .array(
      z.object({
        digest: z.string(),
        mediaType: z.string().optional(),
        annotations: z.record(z.string(), z.string()).nullish(),
      }),
    )
    .nullish(),
})

interface Entry {
  readonly digest: Digest
  readonly mediaType: string | undefined
  readonly annotations: Readonly<Record<string, string>>
}

/** A layout that serves a repository: where it lies, and what its index lists. */
interface Layout {
  /** Below the origin's path; empty or ends with a slash. */
  readonly folder: string
  readonly entries: readonly Entry[]
}

/**
 * OCI image layouts on a disk (image-spec, image-layout.md), as `skopeo copy ... oci:DIR:TAG` and `docker save` write
 * them. The path is one layout, whose index names tags (for every repository) or whole references; or it is a directory in
 * which each repository has a layout of its own, `<path>/team/app/index.json`. Whoever may read a repository of a
 * layout may read every blob of that layout.
 */
export class OciLayoutOrigin implements Origin {
  readonly kind = 'layout'
  readonly label: string
  readonly #reader: ObjectReader

  /** `reader` reads below the configured path, and belongs to this origin from here on. */
  constructor(reader: ObjectReader, path: string) {
    this.label = `layout ${path}`
    this.#reader = reader
  }

  async resolveTag(query: OriginQuery & { tag: string; known?: TagState | undefined }): Promise<TagResolution> {
    if (!isTag(query.tag)) throw new ShoalError('REFERENCE_INVALID', `not a tag: ${query.tag.slice(0, 150)}`)
    const digest = (await this.#tags(query)).get(query.tag)
    if (digest === undefined) return { kind: 'unknown' }
    return digest === query.known?.digest ? { kind: 'unchanged' } : { kind: 'found', state: { digest } }
  }

  async manifest(query: OriginQuery & { digest: Digest }): Promise<OriginManifest | undefined> {
    for (const { folder, entries } of await this.#layouts(query)) {
      const path = blobPath(folder, query.digest)
      const object = await this.#reader.small(path, { maxBytes: MAX_MANIFEST_BYTES, signal: query.signal })
      // a layer is no manifest, whatever its digest is asked as
      if (object === undefined || typeof object === 'string') continue
      return { bytes: object.bytes, mediaType: entries.find(({ digest }) => digest === query.digest)?.mediaType }
    }
    return undefined
  }

  async statBlob(query: OriginQuery & { digest: Digest }): Promise<{ readonly size: number } | undefined> {
    const found = await this.#find(query)
    return found === undefined ? undefined : { size: found.size }
  }

  async readBlob(query: BlobReadQuery): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { range, size, signal } = query
    const found = await this.#find(query)
    if (found === undefined) return undefined
    if (range.start < range.end) return this.#reader.range(found.path, { range, size, signal })
    if (found.size === size) return noBytes()
    throw new ShoalError('ORIGIN_CHANGED', `${this.label} has ${found.size} bytes where ${size} were expected`)
  }

  async listTags(
    query: OriginQuery & { limit?: number | undefined; after?: string | undefined },
  ): Promise<TagPage | undefined> {
    const { limit = Number.POSITIVE_INFINITY, after } = query
    const all = [...(await this.#tags(query)).keys()].sort((a, b) => (a < b ? -1 : 1))
    if (all.length === 0) return undefined
    const tags = all.filter((tag) => after === undefined || tag > after)
    return { tags: tags.slice(0, limit), more: limit > 0 && tags.length > limit }
  }

  /** A layout has no referrers API, and its index is not searched for subjects. */
  async referrers(): Promise<undefined> {
    return undefined
  }

  async challenge(): Promise<undefined> {
    return undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]()
  }

  async #find(query: OriginQuery & { digest: Digest }): Promise<{ path: string; size: number } | undefined> {
    for (const { folder } of await this.#layouts(query)) {
      const path = blobPath(folder, query.digest)
      const size = await this.#reader.size(path, query.signal)
      if (size !== undefined) return { path, size }
    }
    return undefined
  }

  /** The tags of a repository; of two layouts that name one, the repository's own counts. */
  async #tags(query: OriginQuery): Promise<ReadonlyMap<string, Digest>> {
    const tags = new Map<string, Digest>()
    for (const { folder, entries } of await this.#layouts(query)) {
      for (const { digest, annotations } of entries) {
        const name = namedIn(annotations)
        const isMeant = name?.repositories === undefined || name.repositories.includes(query.repository)
        if (name !== undefined && (isMeant || folder !== '') && !tags.has(name.tag)) tags.set(name.tag, digest)
      }
    }
    return tags
  }

  /** The layouts that serve a repository: its own below the path, then the one at the path if it may name it. */
  async #layouts({ repository, signal }: OriginQuery): Promise<readonly Layout[]> {
    if (!isRepositoryName(repository)) {
      throw new ShoalError('NAME_INVALID', `not a repository name: ${repository.slice(0, 150)}`)
    }
    const own = await this.#layout(`${repository}/`, signal)
    const shared = await this.#layout('', signal)
    const serves = shared?.entries.some(({ annotations }) => {
      const repositories = namedIn(annotations)?.repositories
      return repositories === undefined || repositories.includes(repository)
    })
    return [own, serves === true ? shared : undefined].filter((layout) => layout !== undefined)
  }

  async #layout(folder: string, signal: AbortSignal): Promise<Layout | undefined> {
    const object = await this.#reader.small(`${folder}index.json`, { maxBytes: MAX_INDEX_BYTES, signal })
    if (object === undefined) return undefined
    const parsed = typeof object === 'string' ? undefined : indexSchema.safeParse(parseJson(object.bytes))
    if (parsed?.success !== true)
      throw new ShoalError('ORIGIN_CHANGED', `${this.label}: ${folder}index.json is no index`)
    const entries = (parsed.data.manifests ?? []).flatMap(({ digest: text, mediaType, annotations }) => {
      const digest = parseDigest(text)
      return digest === undefined ? [] : [{ digest, mediaType, annotations: annotations ?? {} }]
    })
    return { folder, entries }
  }
}

function blobPath(folder: string, digest: Digest): string {
  const checked = requireDigest(digest)
  return `${folder}blobs/${digestAlgorithm(checked)}/${digestHex(checked)}`
}
