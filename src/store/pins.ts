import type { Digest } from '../oci/digest.ts'

/** Which blobs, present or to come, must not be evicted, and until when. */
export class Pins {
  readonly #now: () => number
  readonly #until = new Map<Digest, number>()

  constructor(now: () => number) {
    this.#now = now
  }

  set(digest: Digest, untilEpochMs: number): void {
    this.#until.set(digest, untilEpochMs)
  }

  delete(digest: Digest): void {
    this.#until.delete(digest)
  }

  has(digest: Digest): boolean {
    return this.until(digest) !== undefined
  }

  /** When the pin ends, in epoch ms; undefined when there is none or it has ended. */
  until(digest: Digest): number | undefined {
    const until = this.#until.get(digest)
    return until !== undefined && until > this.#now() ? until : undefined
  }

  /** Everything pinned now. */
  *digests(): Generator<Digest> {
    for (const digest of this.#until.keys()) if (this.has(digest)) yield digest
  }

  /** Forgets pins that have ended and returns whose they were. */
  expire(): Digest[] {
    const expired = [...this.#until.keys()].filter((digest) => !this.has(digest))
    for (const digest of expired) this.#until.delete(digest)
    return expired
  }
}
