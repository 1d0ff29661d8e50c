import type { Digest } from '../oci/digest.ts'
import type { ByteRange } from '../piece/piece-layout.ts'

/**
 * Where content comes from in the end. All methods throw ShoalError: `ORIGIN_UNREACHABLE`, `ORIGIN_THROTTLED`,
 * `ORIGIN_DENIED`, `ORIGIN_CHANGED`, `MANIFEST_INVALID`, and `CONFIG_INVALID` for a credentials file that cannot be
 * used; `NAME_INVALID`, `REFERENCE_INVALID`, `DIGEST_INVALID` for a query outside its grammar. "It is not there" is a
 * return value, not an error. Nothing here verifies content against its digest: callers do.
 */
export interface Origin extends AsyncDisposable {
  readonly kind: 's3' | 'directory' | 'layout' | 'registry'
  /** For logs and errors: kind and place, no secrets. */
  readonly label: string
  /** Tag -> digest. With `known`, may answer 'unchanged' instead. */
  resolveTag(query: OriginQuery & { tag: string; known?: TagState | undefined }): Promise<TagResolution>
  /** Manifest bytes by digest, at most MAX_MANIFEST_BYTES; undefined when this repository has no such manifest. */
  manifest(query: OriginQuery & { digest: Digest }): Promise<OriginManifest | undefined>
  /** The size of a blob that this repository may read; undefined when it has none. Proves access for the caller. */
  statBlob(query: OriginQuery & { digest: Digest }): Promise<{ readonly size: number } | undefined>
  /**
   * A range of a blob as it arrives, exactly `range.end - range.start` bytes or an error. Undefined when the repository
   * has no such blob. `size` is the blob's size as the caller knows it: another one at the origin throws `ORIGIN_CHANGED`.
   * Read what comes, leave the loop, or abort: an answer that is never looked at keeps its connection.
   */
  readBlob(query: BlobReadQuery): Promise<AsyncIterable<Uint8Array> | undefined>
  /** Tags of a repository in lexical order; undefined when there is no such repository. */
  listTags(
    query: OriginQuery & { limit?: number | undefined; after?: string | undefined },
  ): Promise<TagPage | undefined>
  /** The referrers index of a digest as the origin gave it; undefined when the origin has no such API or subject. */
  referrers(
    query: OriginQuery & { digest: Digest; artifactType?: string | undefined },
  ): Promise<OriginManifest | undefined>
  /** What a client must be told to prove itself here (`passthrough`): the value of WWW-Authenticate, or undefined for none. */
  challenge(signal: AbortSignal): Promise<string | undefined>
}

export interface OriginQuery {
  readonly repository: string
  /** A client's own Authorization header (empty: it sent none), used instead of the configured credentials (`access: passthrough`). */
  readonly authorization?: string | undefined
  readonly signal: AbortSignal
}

export interface BlobReadQuery extends OriginQuery {
  readonly digest: Digest
  readonly range: ByteRange
  /** The blob's size as the caller knows it. */
  readonly size: number
  /** The upstream's registry has named the blob in this repository: files of the upstream need no link to it. */
  readonly vouched?: boolean | undefined
  /**
   * Given, a server that ignores Range may send the whole instead: this is called before readBlob returns, and what it
   * returns then begins at byte 0 and has `size` bytes.
   */
  readonly onWhole?: (() => void) | undefined
}

/** What is remembered of a tag between two looks: enough to ask "changed?". */
export interface TagState {
  readonly digest: Digest
  readonly etag?: string | undefined
}

export type TagResolution =
  /** `manifest`: what the tag points to, where the origin has given it in the same answer. */
  | { readonly kind: 'found'; readonly state: TagState; readonly manifest?: OriginManifest | undefined }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'unknown' }

export interface OriginManifest {
  readonly bytes: Uint8Array
  /** As stored or sent by the origin, without parameters; undefined when the origin does not keep it. */
  readonly mediaType: string | undefined
  /** Referrers only: whether the origin applied the artifactType filter itself (OCI-Filters-Applied). */
  readonly filtered?: boolean | undefined
}

export interface TagPage {
  readonly tags: readonly string[]
  readonly more: boolean
}
