import type { KeyObject } from 'node:crypto'
import { createHmac, sign, timingSafeEqual, verify } from 'node:crypto'
import { canonicalBytes } from './canonical.ts'
import { ed25519PrivateKey, ed25519PublicKey } from './ed25519.ts'
import type { FleetKey } from './fleet-key.ts'
import type { PeerName, Trust } from './interface.ts'

/**
 * Makes and checks what a fleet key can prove. Every proof names the peer ids it is for, and the noise handshake has
 * proven those, so a proof that leaks is of no use to anybody else.
 */
export class FleetTrust implements Trust {
  readonly #secret: Uint8Array
  readonly #signingKey: KeyObject | undefined
  readonly #publicKey: KeyObject

  constructor(key: FleetKey) {
    this.#secret = key.secret
    this.#signingKey = key.kind === 'cache' ? ed25519PrivateKey(key.signingSeed) : undefined
    this.#publicKey = ed25519PublicKey(key.publicKey)
  }

  /** Whether this key may claim `role: cache` and vouch for hashes. */
  get canVouch(): boolean {
    return this.#signingKey !== undefined
  }

  /** Shows `verifier` that `prover` holds the fleet's secret. */
  proveMember(prover: PeerName, verifier: PeerName): Uint8Array {
    return createHmac('sha256', this.#secret)
      .update(canonicalBytes('shoal member v1', prover, verifier))
      .digest()
  }

  isMember(prover: PeerName, verifier: PeerName, proof: Uint8Array): boolean {
    const expected = this.proveMember(prover, verifier)
    return proof.length === expected.length && timingSafeEqual(proof, expected)
  }

  /** Shows that `peer` may act as a cache of `region`; undefined when this key cannot. */
  proveCache(peer: PeerName, region: string): Uint8Array | undefined {
    return this.#sign(canonicalBytes('shoal cache v1', peer, region))
  }

  isCache(peer: PeerName, region: string, proof: Uint8Array): boolean {
    return this.#verify(canonicalBytes('shoal cache v1', peer, region), proof)
  }

  vouch(statement: Uint8Array): Uint8Array | undefined {
    return this.#sign(statement)
  }

  vouched(statement: Uint8Array, signature: Uint8Array, _region: string): boolean {
    return this.#verify(statement, signature)
  }

  /** Who holds the fleet's signing key may act on the fleet. */
  get canOrder(): boolean {
    return this.#signingKey !== undefined
  }

  order(statement: Uint8Array): Uint8Array | undefined {
    return this.#sign(canonicalBytes('shoal order v1', statement))
  }

  ordered(statement: Uint8Array, signature: Uint8Array): boolean {
    return this.#verify(canonicalBytes('shoal order v1', statement), signature)
  }

  #sign(bytes: Uint8Array): Uint8Array | undefined {
    return this.#signingKey === undefined ? undefined : new Uint8Array(sign(null, bytes, this.#signingKey))
  }

  #verify(bytes: Uint8Array, signature: Uint8Array): boolean {
    return signature.length === 64 && verify(null, bytes, this.#publicKey, signature)
  }
}
