import { ShoalError } from '../../src/base/errors.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { BlobStore, StoreEntry, StoreTable, StoreUsage } from '../../src/store/index.ts'

const CAPACITY_BYTES = 2 ** 40

/** Numbers for the digests that the hosts of a process have seen: each of them would else keep its own copy. */
export class DigestNumbers {
  readonly #numbers = new Map<Digest, { readonly number: number; readonly digest: Digest }>()

  get size(): number {
    return this.#numbers.size
  }

  find(digest: Digest): number | undefined {
    return this.#numbers.get(digest)?.number
  }

  number(digest: Digest): number {
    const known = this.#numbers.get(digest) ?? { number: this.#numbers.size, digest }
    this.#numbers.set(known.digest, known)
    return known.number
  }

  all(): IterableIterator<{ readonly number: number; readonly digest: Digest }> {
    return this.#numbers.values()
  }
}

/**
 * Stands in for a host's disk where thousands of hosts share a process: knows which small blobs it was given, and their
 * sizes, and has forgotten their bytes. Rows of tables are forgotten as well: these hosts never start again.
 */
export class LightStore implements BlobStore {
  readonly #digests: DigestNumbers
  /** By number; 0 = not here. */
  #sizes = new Uint32Array(0)
  #completeBytes = 0
  #count = 0

  constructor(digests: DigestNumbers) {
    this.#digests = digests
  }

  /** Blobs that are here. */
  get count(): number {
    return this.#count
  }

  size(digest: Digest): number | undefined {
    const number = this.#digests.find(digest)
    const size = number === undefined ? 0 : (this.#sizes[number] ?? 0)
    return size === 0 ? undefined : size
  }

  isKept(digest: Digest): boolean {
    return this.size(digest) !== undefined
  }

  async putSmall(digest: Digest, bytes: Uint8Array): Promise<void> {
    this.hold(digest, bytes.length)
  }

  /** A blob is here, from wherever. */
  hold(digest: Digest, size: number): void {
    if (this.size(digest) !== undefined) return
    const number = this.#digests.number(digest)
    if (number >= this.#sizes.length) {
      const grown = new Uint32Array(Math.max(this.#digests.size, this.#sizes.length * 2))
      grown.set(this.#sizes)
      this.#sizes = grown
    }
    this.#sizes[number] = size
    this.#completeBytes += size
    this.#count++
  }

  list(): readonly StoreEntry[] {
    const entries: StoreEntry[] = []
    for (const { digest } of this.#digests.all()) {
      const size = this.size(digest)
      if (size === undefined) continue
      entries.push({
        ...{ digest, size, storedBytes: size, state: 'complete' },
        ...{ lastUsedEpochMs: 0, pinnedUntilEpochMs: undefined },
      })
    }
    return entries
  }

  onShortage(): Disposable {
    return { [Symbol.dispose]: () => {} }
  }

  usage(): StoreUsage {
    const none = { partialBytes: 0, pinnedBytes: 0, evictedBytes: 0, state: 'ok' as const }
    return { capacityBytes: CAPACITY_BYTES, completeBytes: this.#completeBytes, ...none }
  }

  table<T>(): StoreTable<T> {
    return {
      get: async () => undefined,
      put: async () => {},
      delete: async () => {},
      async *entries() {},
    }
  }

  async pin(): Promise<void> {}

  async unpin(): Promise<void> {}

  async open(): Promise<undefined> {}

  async keepStates(): Promise<void> {}

  async proofs(): Promise<undefined> {}

  onDamage(): Disposable {
    return { [Symbol.dispose]() {} }
  }

  async readSmall(): Promise<undefined> {}

  async remove(): Promise<void> {}

  async resize(): Promise<void> {}

  openPartial(): Promise<never> {
    return Promise.reject(new ShoalError('STORE_DISK_FULL', 'a light host takes blobs of one piece only'))
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
