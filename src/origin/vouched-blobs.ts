import { LRUCache } from 'lru-cache'
import { isShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import { manifestChildren, parseManifest } from '../oci/manifest.ts'

/** Blobs that a registry has vouched for; some 150 bytes each. */
const MAX_VOUCHED = 65_536

interface BlobName {
  readonly repository: string
  readonly digest: Digest
}

/** Blobs that an upstream's registry has named in a repository: files of the upstream need no link to them. */
export class VouchedBlobs {
  readonly #blobs = new LRUCache<string, true>({ max: MAX_VOUCHED })

  has(name: BlobName): boolean {
    return this.#blobs.get(keyOf(name)) === true
  }

  add(name: BlobName): void {
    this.#blobs.set(keyOf(name), true)
  }

  /** A registry has given this manifest of the repository: what it names may be read there. */
  addNamedBy(repository: string, manifest: Uint8Array): void {
    try {
      for (const { digest } of manifestChildren(parseManifest(manifest))) this.add({ repository, digest })
    } catch (error) {
      if (!isShoalError(error, 'MANIFEST_INVALID')) throw error
    }
  }
}

function keyOf({ repository, digest }: BlobName): string {
  return `${repository}@${digest}`
}
