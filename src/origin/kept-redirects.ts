import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'

const MAX_KEPT = 1024
/** Longer than any storage signs. */
const MAX_URL_LENGTH = 8 * 1024
/** A registry that gives a blob up is asked again by then, also where its storage signs nothing and goes on serving. */
const KEPT_MS = 10 * 60_000

/** Where a registry has led for blobs, with the signature of it: good until the storage refuses it. Secret as a token is. */
export class KeptRedirects {
  readonly #urls: ExpiringMap<URL>
  readonly #asking = new Map<string, Promise<void>>()
  #leadsAway = false

  constructor(clock: Pick<Clock, 'now'>) {
    this.#urls = new ExpiringMap(clock, MAX_KEPT)
  }

  find(key: string): URL | undefined {
    return this.#urls.get(key)
  }

  /** Settles when whoever is asking the registry just now has been told; undefined where that is not worth a wait. */
  told(key: string): Promise<void> | undefined {
    return this.#leadsAway && this.#urls.get(key) === undefined ? this.#asking.get(key) : undefined
  }

  /** The registry is being asked for it, until disposed: others wait for what it says. */
  asking(key: string): Disposable {
    if (this.#asking.has(key)) return { [Symbol.dispose]: () => {} }
    const told = Promise.withResolvers<void>()
    this.#asking.set(key, told.promise)
    return {
      [Symbol.dispose]: () => {
        this.#asking.delete(key)
        told.resolve()
      },
    }
  }

  keep(key: string, url: URL): void {
    if (url.href.length > MAX_URL_LENGTH) return
    this.#leadsAway = true
    this.#urls.set(key, url, KEPT_MS)
  }

  /** The storage refuses it. Another one that has come meanwhile stays. */
  forget(key: string, url: URL): void {
    if (this.#urls.get(key) === url) this.#urls.delete(key)
  }
}
