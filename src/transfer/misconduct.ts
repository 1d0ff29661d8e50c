import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Digest } from '../oci/digest.ts'
import type { PeerKey, PeerLink } from '../swarm/index.ts'
import type { Transfer } from './transfer.ts'

/** Blobs of each of which a peer has sent wrong bytes before it is kept out, and how long that is remembered. */
const BLOBS_TO_BAN = 3
const REMEMBERED_MS = 10 * 60_000
const BAN_MS = 10 * 60_000
const MAX_SUSPECTS = 1_024

interface MisconductDeps {
  readonly clock: Clock
  readonly ban: (peer: PeerKey, ms: number, reason: string) => void
}

/**
 * What it takes to ban a peer, all of it:
 *
 * 1. It sent this host, itself, bytes that do not match the hash which a cache vouched for on its own link.
 * 2. The blob was then proven by its digest with that hash, at the first attempt: so the hash was right, and the bytes were
 *    wrong. A blob that started over convicts nobody: an origin's wrong bytes make honest peers look like liars.
 * 3. The peer did not leave the blob's swarm meanwhile, as hosts do whose own content turns out wrong.
 * 4. That happened with three blobs within ten minutes. One bit, or one blob, is no lie: disks and memory fail.
 *
 * A cache is never banned: what it sends wrong makes this host ask another (`Failover.homeErred`). Until then, and for
 * whatever it is, a piece that does not match its hash costs its sender this blob at this host, at once.
 */
export class Misconduct {
  readonly #deps: MisconductDeps
  readonly #unproven = new WeakMap<Transfer, Set<PeerLink>>()
  readonly #convicted: ExpiringMap<ReadonlySet<Digest>>

  constructor(deps: MisconductDeps) {
    this.#deps = deps
    this.#convicted = new ExpiringMap(deps.clock, MAX_SUSPECTS)
  }

  /** A peer sent bytes of this blob that do not match a vouched hash. */
  caught(transfer: Transfer, link: PeerLink): void {
    if (transfer.failedProofs > 0 || link.peer.role === 'cache') return
    const senders = this.#unproven.get(transfer) ?? new Set()
    this.#unproven.set(transfer, senders.add(link))
  }

  /** A peer has left the blob's swarm: it may have been given wrong bytes itself. */
  left(transfer: Transfer, link: PeerLink): void {
    this.#unproven.get(transfer)?.delete(link)
  }

  /** The blob is what its digest says. */
  proven(transfer: Transfer): void {
    if (transfer.failedProofs > 0) return
    for (const { peer } of this.#unproven.get(transfer) ?? []) {
      const blobs = new Set(this.#convicted.get(peer.key)).add(transfer.digest)
      this.#convicted.set(peer.key, blobs, REMEMBERED_MS)
      if (blobs.size < BLOBS_TO_BAN) continue
      this.#convicted.delete(peer.key)
      this.#deps.ban(peer.key, BAN_MS, `sent wrong bytes of ${blobs.size} blobs`)
    }
  }
}
