import type { PeerKey } from './interface.ts'
import type { Link } from './link.ts'

/** Addresses remembered per table: what this host dials by address is a handful of caches. */
const MAX_ADDRESSES = 256

/** The live links: one per peer, who waits for one, and which addresses are known to be whose. */
export class LinkTable {
  readonly links = new Map<PeerKey, Link>()
  readonly caches = new Map<PeerKey, Link>()
  readonly #waiters = new Map<PeerKey, Set<(link: Link) => void>>()
  readonly #addresses = new Map<string, PeerKey>()

  add(link: Link): void {
    this.links.set(link.peer.key, link)
    if (link.peer.role === 'cache') this.caches.set(link.peer.key, link)
    const waiters = this.#waiters.get(link.peer.key)
    this.#waiters.delete(link.peer.key)
    for (const tell of waiters ?? []) tell(link)
  }

  /** Whether `link` was the peer's. */
  remove(link: Link): boolean {
    const { key } = link.peer
    if (this.links.get(key) !== link) return false
    this.links.delete(key)
    this.caches.delete(key)
    for (const [address, owner] of this.#addresses) if (owner === key) this.#addresses.delete(address)
    return true
  }

  /** The link to `key` as soon as there is one, whoever dials. Disposing gives up the wait. */
  wait(key: PeerKey): { readonly link: Promise<Link> } & Disposable {
    const { promise, resolve } = Promise.withResolvers<Link>()
    const waiters = this.#waiters.get(key) ?? new Set()
    this.#waiters.set(key, waiters.add(resolve))
    return {
      link: promise,
      [Symbol.dispose]: () => {
        waiters.delete(resolve)
        if (waiters.size === 0 && this.#waiters.get(key) === waiters) this.#waiters.delete(key)
      },
    }
  }

  /** The peer was found at this address, by dialling it. */
  learn(address: string, key: PeerKey): void {
    this.#addresses.delete(address)
    const oldest = this.#addresses.size >= MAX_ADDRESSES ? this.#addresses.keys().next().value : undefined
    if (oldest !== undefined) this.#addresses.delete(oldest)
    this.#addresses.set(address, key)
  }

  /** The live link to whoever was found at this address. */
  at(address: string): Link | undefined {
    const key = this.#addresses.get(address)
    return key === undefined ? undefined : this.links.get(key)
  }
}
