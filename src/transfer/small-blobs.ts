import type { Clock } from '../base/clock.ts'
import type { Digest } from '../oci/digest.ts'
import type { BlobStore } from '../store/index.ts'

/** A blob is read again after this long: that tells the store which blobs are in use. */
const KEPT_MS = 10_000

interface SmallBlobsDeps {
  readonly store: Pick<BlobStore, 'readSmall'>
  readonly clock: Clock
}

interface Kept {
  readonly size: number
  readonly until: number
  readonly bytes: Promise<Uint8Array | undefined>
}

/**
 * Blobs of one piece as members ask for them: in a burst all hosts of a region want the same few within seconds. Opening,
 * reading and closing a file for each of them would cost their home more than sending the bytes, so that the answers to
 * thousands of hosts came too late; read once, they are kept for a moment.
 */
export class SmallBlobs {
  readonly #deps: SmallBlobsDeps
  readonly #maxBytes: number
  /** The oldest first. */
  readonly #kept = new Map<Digest, Kept>()
  #bytes = 0

  constructor(deps: SmallBlobsDeps, maxBytes: number) {
    this.#deps = deps
    this.#maxBytes = maxBytes
  }

  /** A stored blob of `size` bytes, not to be changed; undefined when it is gone. Rejects as the store does. */
  read(digest: Digest, size: number): Promise<Uint8Array | undefined> {
    const known = this.#kept.get(digest)
    if (known !== undefined && known.until > this.#deps.clock.now()) return known.bytes
    this.#drop(digest)
    const bytes = this.#deps.store.readSmall(digest, size)
    const kept: Kept = { size, until: this.#deps.clock.now() + KEPT_MS, bytes }
    this.#kept.set(digest, kept)
    this.#bytes += size
    const forget = (): void => {
      if (this.#kept.get(digest) === kept) this.#drop(digest)
    }
    // what could not be read is tried again for the next that asks
    bytes.then((read) => read === undefined && forget(), forget)
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#maxBytes) break
      this.#drop(oldest)
    }
    return bytes
  }

  #drop(digest: Digest): void {
    this.#bytes -= this.#kept.get(digest)?.size ?? 0
    this.#kept.delete(digest)
  }
}
