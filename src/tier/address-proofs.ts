import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { AddressProof, PeerAddress } from '../swarm/index.ts'
import type { Trust } from '../trust/index.ts'
import { canonicalBytes } from '../trust/index.ts'
import { isCurrent, proofDate, ROUND_MS } from './dated-proof.ts'

const MAX_SIGNED = 16_384

interface AddressProofsDeps {
  readonly trust: Pick<Trust, 'vouch' | 'vouched'>
  readonly region: string
  readonly clock: Pick<Clock, 'now' | 'wall'>
}

/** Proofs that a cache has met a host where it says it is: whoever holds one may pass the address on. */
export class AddressProofs {
  readonly #deps: AddressProofsDeps
  readonly #signed: ExpiringMap<AddressProof>

  constructor(deps: AddressProofsDeps) {
    this.#deps = deps
    this.#signed = new ExpiringMap(deps.clock, MAX_SIGNED)
  }

  /** With a proof, if this host may speak as a cache. */
  sign(peer: PeerAddress): PeerAddress {
    const { trust, region, clock } = this.#deps
    const atMs = proofDate(clock)
    const statement = statementOf(peer, region, atMs)
    const key = Buffer.from(statement).toString('latin1')
    const known = this.#signed.get(key)
    if (known !== undefined) return { ...peer, proof: known }
    const signature = trust.vouch(statement)
    if (signature === undefined) return peer
    const proof = { region, atMs, signature }
    this.#signed.set(key, proof, ROUND_MS)
    return { ...peer, proof }
  }

  /** Whether a cache of this region has met the peer there, not too long ago. */
  holds(peer: PeerAddress): boolean {
    const { trust, region, clock } = this.#deps
    const { proof } = peer
    if (proof === undefined || !isCurrent(proof, region, clock)) return false
    return trust.vouched(statementOf(peer, region, proof.atMs), proof.signature, region)
  }
}

function statementOf({ key, addresses }: PeerAddress, region: string, atMs: number): Uint8Array {
  return canonicalBytes('shoal address v1', region, key, atMs, ...addresses)
}
