import { join } from 'node:path'
import type { Digest } from '../oci/digest.ts'
import { digestAlgorithm, digestHex } from '../oci/digest.ts'

/** The algorithms a parsed digest can have: one directory each. */
export const ALGORITHMS: readonly string[] = ['sha256', 'sha512']

/** Where everything lies below the store's directory (FORMAT.md). Only parsed digests become file names. */
export class StorePaths {
  readonly root: string

  constructor(root: string) {
    this.root = root
  }

  get format(): string {
    return join(this.root, 'format')
  }

  get level(): string {
    return join(this.root, 'level')
  }

  blobDirectory(algorithm: string): string {
    return join(this.root, 'blobs', algorithm)
  }

  partialDirectory(algorithm: string): string {
    return join(this.root, 'partial', algorithm)
  }

  /** Complete blobs are spread over 256 directories, so that none grows too long to list. */
  shard(digest: Digest): string {
    return join(this.blobDirectory(digestAlgorithm(digest)), digestHex(digest).slice(0, 2))
  }

  blob(digest: Digest): string {
    return join(this.shard(digest), digestHex(digest))
  }

  partial(digest: Digest): string {
    return join(this.partialDirectory(digestAlgorithm(digest)), digestHex(digest))
  }

  /** A file being put whole. It never has a row, so recovery deletes what a crash leaves of it. */
  staging(digest: Digest): string {
    return `${this.partial(digest)}.put`
  }
}
