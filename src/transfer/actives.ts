import type { Digest } from '../oci/digest.ts'
import type { Active } from './active.ts'

/** The transfers under way, by their numbers in the schedulers and by digest. */
export class Actives {
  readonly #byBlob = new Map<number, Active>()
  readonly #byDigest = new Map<Digest, Active>()

  get size(): number {
    return this.#byBlob.size
  }

  [Symbol.iterator](): Iterator<Active> {
    return this.#byBlob.values()
  }

  add(active: Active): void {
    const { transfer } = active
    this.#byBlob.set(transfer.blob, active)
    // a window is its readers' alone
    if (transfer.window === undefined) this.#byDigest.set(transfer.digest, active)
  }

  remove(active: Active): void {
    const { blob, digest } = active.transfer
    this.#byBlob.delete(blob)
    if (this.#byDigest.get(digest) === active) this.#byDigest.delete(digest)
  }

  /** By its number in the schedulers. */
  at(blob: number): Active | undefined {
    return this.#byBlob.get(blob)
  }

  /** The one of a digest that all readers share, unless it cannot be stored. */
  find(digest: Digest): Active | undefined {
    return this.#byDigest.get(digest)
  }

  /** All transfers of a digest: the shared one and windows beside it. */
  of(digest: Digest): Active[] {
    return [...this.#byBlob.values()].filter((active) => active.transfer.digest === digest)
  }

  /** Whether a transfer still runs: what was asked for it may be answered after its end. */
  runs(active: Active): boolean {
    return this.#byBlob.get(active.transfer.blob) === active
  }
}
