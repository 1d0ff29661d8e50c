import type { Digest } from '../oci/digest.ts'
import type {
  BlobReadQuery,
  Origin,
  OriginManifest,
  OriginQuery,
  TagPage,
  TagResolution,
  TagState,
} from './interface.ts'

/** Where `template` has the upstream's own name of a repository. */
const NAME = '{repository}'

/**
 * An origin that calls repositories by another name: a pull-through cache serves Docker Hub's `library/nginx` as
 * `dockerhub-proxy/library/nginx`.
 */
export class RenamedOrigin implements Origin {
  readonly kind: Origin['kind']
  readonly label: string
  readonly #origin: Origin
  readonly #template: string

  /** `template` holds `{repository}` once, at its end. */
  constructor(origin: Origin, template: string) {
    this.kind = origin.kind
    this.label = `${origin.label} (${template})`
    this.#origin = origin
    this.#template = template
  }

  resolveTag(query: OriginQuery & { tag: string; known?: TagState | undefined }): Promise<TagResolution> {
    return this.#origin.resolveTag(this.#renamed(query))
  }

  manifest(query: OriginQuery & { digest: Digest }): Promise<OriginManifest | undefined> {
    return this.#origin.manifest(this.#renamed(query))
  }

  statBlob(query: OriginQuery & { digest: Digest }): Promise<{ readonly size: number } | undefined> {
    return this.#origin.statBlob(this.#renamed(query))
  }

  readBlob(query: BlobReadQuery): Promise<AsyncIterable<Uint8Array> | undefined> {
    return this.#origin.readBlob(this.#renamed(query))
  }

  listTags(
    query: OriginQuery & { limit?: number | undefined; after?: string | undefined },
  ): Promise<TagPage | undefined> {
    return this.#origin.listTags(this.#renamed(query))
  }

  referrers(
    query: OriginQuery & { digest: Digest; artifactType?: string | undefined },
  ): Promise<OriginManifest | undefined> {
    return this.#origin.referrers(this.#renamed(query))
  }

  challenge(signal: AbortSignal): Promise<string | undefined> {
    return this.#origin.challenge(signal)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#origin[Symbol.asyncDispose]() as Promise<void>
  }

  #renamed<T extends { readonly repository: string }>(query: T): T {
    return { ...query, repository: this.#template.replace(NAME, () => query.repository) }
  }
}
