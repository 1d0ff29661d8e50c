import type { Outcome } from '../base/outcome.ts'
import type { SourceLife } from '../base/patience.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryRef, TagOrDigest } from '../oci/reference.ts'
import type { ByteRange } from '../piece/piece-layout.ts'
import type { Granted } from '../swarm/index.ts'
import type { blobRequests } from './requests.ts'

/** Where the bytes of an answer come from: X-Shoal-Source and the `from` label of metrics. */
export type ContentSource = 'local' | 'peer' | 'home' | 'parent' | 'origin'

/** A repository as a client asks for it: with its own proof, if it sent one. */
export interface ClientRef extends RepositoryRef {
  readonly authorization?: string | undefined
}

/**
 * What the servers can ask for. Each outcome is a value; only aborts and programming errors throw.
 * Access is decided here, by (upstream, repository, digest), never by digest alone.
 */
export interface ContentService {
  /** Whether `upstream` is configured; requests for others are refused by the server. */
  knows(upstream: string): boolean
  /** Whether clients must prove themselves (`access: passthrough`): to this upstream, or to any without a name. */
  asksClients(upstream?: string): boolean
  manifest(ref: ClientRef & { readonly target: TagOrDigest }, signal: AbortSignal): Promise<Outcome<ManifestContent>>
  /** A blob's size without moving it. */
  statBlob(ref: ClientRef & { readonly digest: Digest }, signal: AbortSignal): Promise<Outcome<BlobStat>>
  /** Opens a blob for reading while it is still arriving. The caller disposes it, also when its client leaves early. */
  openBlob(ref: OpenBlob, signal: AbortSignal): Promise<Outcome<BlobReader>>
  /** What is known of the origin that is being asked about a tag or digest, here or by a home. */
  lifeOf(ref: ClientRef, target: string): SourceLife | undefined
  listTags(
    ref: ClientRef & { readonly limit?: number | undefined; readonly after?: string | undefined },
    signal: AbortSignal,
  ): Promise<Outcome<TagList>>
  referrers(
    ref: ClientRef & { readonly digest: Digest; readonly artifactType?: string | undefined },
    signal: AbortSignal,
  ): Promise<Outcome<ReferrersContent>>
  /** For `GET /v2/`: the challenge to relay for a passthrough upstream; undefined for all others, without any I/O. */
  challenge(upstream: string, signal: AbortSignal): Promise<string | undefined>
}

/** A blob that is about to be read. */
export interface OpenBlob extends ClientRef {
  readonly digest: Digest
  /** What will be read first of a blob of this many bytes; default: all of it. */
  readonly reads?: ((sizeBytes: number) => ReadRange) | undefined
  /** What will be read of it after that, for one answer: what can, comes meanwhile. Default: nothing. */
  readonly readsThen?: ((sizeBytes: number) => readonly ReadRange[]) | undefined
}

/** Bytes to read. */
export interface ReadRange extends ByteRange {
  /**
   * A part for its own sake, both ends named: it is given on the word of its pieces' vouched hashes. Default: the blob to
   * its end, of which the last piece is given only once the whole digest is proven.
   */
  readonly isPart?: boolean | undefined
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
   * verified bytes only, and the blob's last piece only after the whole digest is proven (but see `ReadRange`). Throws `CONTENT_CORRUPT`,
   * `ORIGIN_UNREACHABLE`, `UNAVAILABLE`... when the rest will not come. A yielded chunk may be reused by the reader
   * once the next one is asked for.
   */
  read(range: ReadRange, signal: AbortSignal): AsyncIterable<Uint8Array>
  /**
   * Whether a read that starts at `start` > 0 may be served: false while a wrong prefix of this blob has been handed
   * out, so that no client completes a corrupt file (mirror-protocol edge case 10).
   */
  resumable(start: number): boolean
}

/** A page of tags, as peers hand it on. */
export type TagList = Granted<typeof blobRequests.tags>

/** An index of referrers, as peers hand it on. */
export type ReferrersContent = Granted<typeof blobRequests.referrers>
