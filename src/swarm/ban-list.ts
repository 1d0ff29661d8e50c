import type { Clock } from '../base/clock.ts'
import type { PeerKey } from './interface.ts'

/** Far more than a fleet has liars; the oldest ban gives way. */
const MAX_BANS = 4096

/** Peers this host does not talk to for a while. */
export class BanList {
  readonly #clock: Clock
  readonly #until = new Map<PeerKey, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#until.size
  }

  add(peer: PeerKey, ms: number): void {
    this.#until.delete(peer)
    const oldest = this.#until.size >= MAX_BANS ? this.#until.keys().next().value : undefined
    if (oldest !== undefined) this.#until.delete(oldest)
    this.#until.set(peer, this.#clock.now() + ms)
  }

  has(peer: PeerKey): boolean {
    const until = this.#until.get(peer)
    if (until === undefined) return false
    if (until > this.#clock.now()) return true
    this.#until.delete(peer)
    return false
  }
}
