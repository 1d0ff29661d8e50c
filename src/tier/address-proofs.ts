import { LRUCache } from 'lru-cache'
import type { Clock } from '../base/clock.ts'
import type { AddressProof, PeerAddress } from '../swarm/index.ts'
import type { Trust } from '../trust/index.ts'
import { canonicalBytes } from '../trust/index.ts'

/** An hour's signatures are made once: a cache names the same hosts to all others. */
const ROUND_MS = 3_600_000
const MAX_SIGNED = 16_384
/** By then the address may be another host's. */
const MAX_AGE_MS = 7 * 24 * 3_600_000
/** So far apart the clocks of hosts may be, and the hour that is not over. */
const MAX_SKEW_MS = 600_000

export interface AddressProofsDeps {
  readonly trust: Pick<Trust, 'vouch' | 'vouched'>
  readonly region: string
  readonly clock: Pick<Clock, 'wall'>
}

/** Proofs that a cache has met a host where it says it is: whoever holds one may pass the address on. */
export class AddressProofs {
  readonly #deps: AddressProofsDeps
  readonly #signed = new LRUCache<string, AddressProof>({ max: MAX_SIGNED, ttl: ROUND_MS })

  constructor(deps: AddressProofsDeps) {
    this.#deps = deps
  }

  /** With a proof, if this host may speak as a cache. */
  sign(peer: PeerAddress): PeerAddress {
    const { trust, region, clock } = this.#deps
    const atMs = Math.floor(clock.wall() / ROUND_MS) * ROUND_MS
    const statement = statementOf(peer, region, atMs)
    const key = Buffer.from(statement).toString('latin1')
    const known = this.#signed.get(key)
    if (known !== undefined) return { ...peer, proof: known }
    const signature = trust.vouch(statement)
    if (signature === undefined) return peer
    const proof = { region, atMs, signature }
    this.#signed.set(key, proof)
    return { ...peer, proof }
  }

  /** Whether a cache of this region has met the peer there, not too long ago. */
  holds(peer: PeerAddress): boolean {
    const { trust, region, clock } = this.#deps
    const { proof } = peer
    if (proof === undefined || proof.region !== region) return false
    const age = clock.wall() - proof.atMs
    if (age > MAX_AGE_MS || age < -MAX_SKEW_MS) return false
    return trust.vouched(statementOf(peer, region, proof.atMs), proof.signature, region)
  }
}

function statementOf({ key, addresses }: PeerAddress, region: string, atMs: number): Uint8Array {
  return canonicalBytes('shoal address v1', region, key, atMs, ...addresses)
}
