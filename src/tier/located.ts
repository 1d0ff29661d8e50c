import { isIP } from 'node:net'
import { abortError, raceAbort, sleep } from '../base/abort.ts'
import { isLoopback, parseAddress } from '../base/address.ts'
import { classOf } from '../base/address-class.ts'
import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Logger } from '../base/log.ts'
import { DIAL_MS } from '../base/patience.ts'
import type { PeerLink, Swarm } from '../swarm/index.ts'

const READY_MS = 300
const LOOKS_AT_ONCE = 16
/** A peer that was not found at an address is not looked for there again for this long. */
const AGAIN_MS = 10_000
const MAX_FAILED = 4_096

interface LocatedDeps {
  readonly swarm: Pick<Swarm, 'self' | 'isAt'>
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Which of the addresses that a peer names are its own. One that it was seen to come from is; at any other, and at
 * loopback addresses, where all hosts of a machine come from the same one, a cache looks itself, once: nobody
 * else dials an address on a member's word alone.
 */
export class Located {
  readonly #deps: LocatedDeps
  readonly #found = new WeakMap<PeerLink, Set<string>>()
  readonly #looking = new WeakMap<PeerLink, Promise<void>>()
  /** By peer and address. */
  readonly #failed: ExpiringMap<true>
  readonly #said = new WeakSet<PeerLink>()
  readonly #stop = new AbortController()
  readonly #queue: (() => void)[] = []
  #looks = 0

  constructor(deps: LocatedDeps) {
    this.#deps = deps
    this.#failed = new ExpiringMap(deps.clock, MAX_FAILED)
  }

  /** The peer's addresses that are known to be its own. */
  of(link: PeerLink): readonly string[] {
    return link.peer.addresses.filter((address) => this.#isSeen(link, address) || this.#found.get(link)?.has(address))
  }

  /**
   * Resolves when the peer's addresses have been looked at, as far as this host looks at all, and soon in any case: who
   * waits for an answer must not wait for this. Rejects with the signal's reason.
   */
  async ready(link: PeerLink, signal: AbortSignal): Promise<void> {
    const unknown = this.#looking.has(link) || this.#unknown(link).length > 0
    if (!unknown) return
    const patience = new AbortController()
    const enough = sleep(this.#deps.clock, READY_MS, patience.signal).catch(() => {})
    await raceAbort(Promise.race([this.look(link), enough]), signal).finally(() => patience.abort())
  }

  /** Looks at what is not known yet. Never rejects. */
  look(link: PeerLink): Promise<void> {
    const looking = this.#looking.get(link)
    if (looking !== undefined) return looking
    const unknown = this.#unknown(link)
    if (unknown.length === 0) return Promise.resolve()
    const started = Promise.all(unknown.map((address) => this.#lookAt(link, address))).then(() => {
      this.#looking.delete(link)
    })
    this.#looking.set(link, started)
    return started
  }

  [Symbol.dispose](): void {
    this.#stop.abort(abortError('stopping'))
    for (const begin of this.#queue.splice(0)) begin()
  }

  /** What this host would go and see. */
  #unknown(link: PeerLink): readonly string[] {
    if (this.#deps.swarm.self.role !== 'cache') return []
    return link.peer.addresses.filter((address) => this.#isWorthALook(link, address))
  }

  #isSeen({ remote }: PeerLink, address: string): boolean {
    return remote !== undefined && !isLoopback(remote) && parseAddress(address)?.host === remote
  }

  #isWorthALook(link: PeerLink, address: string): boolean {
    const place = parseAddress(address)
    if (place === undefined || this.#failed.get(`${link.peer.key} ${address}`) === true) return false
    // what is nearer than the peer itself is not where it is
    const isNearer = isLoopback(place.host) && (link.remote === undefined || !isLoopback(link.remote))
    const isForbidden = isIP(place.host) !== 0 && classOf(place.host) === 'forbidden'
    return !isNearer && !isForbidden && !this.of(link).includes(address)
  }

  async #lookAt(link: PeerLink, address: string): Promise<void> {
    const { swarm, logger } = this.#deps
    const { key } = link.peer
    if (this.#looks >= LOOKS_AT_ONCE) await new Promise<void>((begin) => this.#queue.push(begin))
    if (this.#stop.signal.aborted) return
    this.#looks++
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(DIAL_MS)])
    // no id of a peer, or nobody who answers in time: not found
    const isThere = await swarm.isAt(key, address, signal).catch(() => false)
    this.#looks--
    this.#queue.shift()?.()
    if (this.#stop.signal.aborted) return
    if (isThere) {
      this.#found.set(link, (this.#found.get(link) ?? new Set()).add(address))
      return
    }
    this.#failed.set(`${key} ${address}`, true, AGAIN_MS)
    if (this.#said.has(link)) return
    this.#said.add(link)
    logger.info({ peer: key, address }, 'a peer is not where it says it is: it is not introduced with that address')
  }
}
