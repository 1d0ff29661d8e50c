import type { Digest } from '../oci/digest.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import type { ByteRange } from '../piece/piece-layout.ts'

/** Where the bytes of an answer come from: X-Shoal-Source and the `from` label of metrics. */
export type ContentSource = 'local' | 'peer' | 'home' | 'parent' | 'origin'

/** An upstream and a repository in it, canonical, with the client's own proof if it sent one. */
export interface RepositoryRef {
  readonly upstream: string
  readonly repository: string
  readonly authorization?: string | undefined
}

/**
 * What the doors can ask for. Each outcome is a value; only aborts and programming errors throw.
 * Access is decided here, by (upstream, repository, digest), never by digest alone.
 */
export interface ContentService {
  /** Whether `upstream` is configured; requests for others are refused by the door. */
  knows(upstream: string): boolean
  manifest(
    ref: RepositoryRef & { readonly target: TagOrDigest },
    signal: AbortSignal,
  ): Promise<Outcome<ManifestContent>>
  /** A blob's size without moving it. */
  statBlob(ref: RepositoryRef & { readonly digest: Digest }, signal: AbortSignal): Promise<Outcome<BlobStat>>
  /** Opens a blob for reading while it is still arriving. The caller disposes it, also when its client leaves early. */
  openBlob(ref: RepositoryRef & { readonly digest: Digest }, signal: AbortSignal): Promise<Outcome<BlobReader>>
  listTags(
    ref: RepositoryRef & { readonly limit?: number | undefined; readonly after?: string | undefined },
    signal: AbortSignal,
  ): Promise<Outcome<TagList>>
  referrers(
    ref: RepositoryRef & { readonly digest: Digest; readonly artifactType?: string | undefined },
    signal: AbortSignal,
  ): Promise<Outcome<ReferrersContent>>
  /** For `GET /v2/`: the challenge to relay for a passthrough upstream; undefined for all others, without any I/O. */
  challenge(upstream: string, signal: AbortSignal): Promise<string | undefined>
}

export type Outcome<T> = { readonly ok: true; readonly value: T } | Refusal

/**
 * - `unknown`: the upstream says there is no such thing.
 * - `denied`: the upstream refuses; in public mode the door answers 404 so that the runtime tries itself.
 * - `unauthorized`: passthrough, and the client has not proven itself: relay `challenge` with 401.
 * - `unavailable`: nobody reachable can give it now; the door answers 404.
 */
export interface Refusal {
  readonly ok: false
  readonly reason: 'unknown' | 'denied' | 'unauthorized' | 'unavailable'
  readonly message: string
  readonly challenge?: string | undefined
}

export interface ManifestContent {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
  readonly source: ContentSource
  /** The upstream could not be asked: this is the last known answer. */
  readonly stale: boolean
}

export interface BlobStat {
  readonly size: number
  readonly source: ContentSource
}

export interface BlobReader extends AsyncDisposable {
  readonly size: number
  readonly source: ContentSource
  /**
   * The bytes of `range` in order, in chunks of at most 1 MiB, waiting for pieces that are still to come. Yields
   * verified bytes only, and the blob's last piece only after the whole digest is proven. Throws `CONTENT_CORRUPT`,
   * `ORIGIN_UNREACHABLE`, `UNAVAILABLE`... when the rest will not come. A yielded chunk may be reused by the reader
   * once the next one is asked for.
   */
  read(range: ByteRange, signal: AbortSignal): AsyncIterable<Uint8Array>
  /**
   * Whether a read that starts at `start` > 0 may be served: false while a wrong prefix of this blob has been handed
   * out, so that no client completes a corrupt file (mirror-protocol edge case 10).
   */
  resumable(start: number): boolean
}

export interface TagList {
  readonly tags: readonly string[]
  readonly more: boolean
}

export interface ReferrersContent {
  readonly bytes: Uint8Array
  readonly filtered: boolean
}
