import type { Digest } from '../oci/digest.ts'
import type { PeerLink } from '../swarm/index.ts'

/** Small integers for the schedulers, and back. Numbers are never reused, so a late event cannot hit a newcomer. */
export class IdMap<K> {
  readonly #numbers = new Map<K, number>()
  readonly #keys = new Map<number, K>()
  #next = 1

  number(key: K): number {
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.#next++
    this.#numbers.set(key, number)
    this.#keys.set(number, key)
    return number
  }

  /** A number of its own for something that has no key to be found by again. */
  fresh(): number {
    return this.#next++
  }

  find(key: K): number | undefined {
    return this.#numbers.get(key)
  }

  key(number: number): K | undefined {
    return this.#keys.get(number)
  }

  forget(key: K): void {
    const number = this.#numbers.get(key)
    if (number === undefined) return
    this.#numbers.delete(key)
    this.#keys.delete(number)
  }
}

export type BlobNumbers = IdMap<Digest>
export type LinkNumbers = IdMap<PeerLink>
