import type { KeyObject } from 'node:crypto'
import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { canonicalBytes } from './canonical.ts'
import { ed25519PrivateKey, ed25519PublicKey } from './ed25519.ts'
import type { FleetKey } from './fleet-key.ts'
import { isLoopbackKey } from './fleet-key.ts'
import type { PeerName } from './interface.ts'
import { signBytes, verifyBytes } from './signature.ts'

/** Enough to tell the few keys of a fleet apart. */
const NAME_DIGITS = 16

/** A fleet's shared keys: the first proves and signs, all are accepted. More than one while they are being replaced. */
export class KeyRing {
  readonly #secrets: readonly Uint8Array[]
  readonly #signingKey: KeyObject | undefined
  readonly #publicKeys: readonly KeyObject[]
  /** What the keys are called whose signatures it can tell, as a host tells it to others. */
  readonly names: readonly string[]
  /** Whether this is the key that everybody has. */
  readonly isLoopback: boolean

  constructor(keys: readonly FleetKey[]) {
    const [first] = keys
    if (first === undefined) throw new RangeError('a key ring needs a key')
    this.#secrets = keys.map(({ secret }) => secret)
    this.#signingKey = first.kind === 'cache' ? ed25519PrivateKey(first.signingSeed) : undefined
    this.#publicKeys = keys.flatMap((key) => (key.kind === 'member' ? [] : ed25519PublicKey(key.publicKey)))
    this.names = keys.flatMap((key) => (key.kind === 'member' ? [] : nameOf(key.publicKey)))
    this.isLoopback = keys.some(isLoopbackKey)
  }

  /** Whether it holds the signing key of the fleet's caches. */
  get canSign(): boolean {
    return this.#signingKey !== undefined
  }

  /** Whether it can tell a signature of the fleet's caches. */
  get canVerify(): boolean {
    return this.#publicKeys.length > 0
  }

  /** Shows `verifier` that `prover` holds the fleet's secret. */
  proveMember(prover: PeerName, verifier: PeerName): Uint8Array {
    return memberProof(this.#secrets[0]!, prover, verifier)
  }

  isMember(prover: PeerName, verifier: PeerName, proof: Uint8Array): boolean {
    return this.#secrets.some((secret) => {
      const expected = memberProof(secret, prover, verifier)
      return proof.length === expected.length && timingSafeEqual(proof, expected)
    })
  }

  sign(bytes: Uint8Array): Uint8Array | undefined {
    return this.#signingKey === undefined ? undefined : signBytes(this.#signingKey, bytes)
  }

  verify(bytes: Uint8Array, signature: Uint8Array): boolean {
    return this.signer(bytes, signature) !== undefined
  }

  /** What the key is called that has signed these bytes, if it is one of these. */
  signer(bytes: Uint8Array, signature: Uint8Array): string | undefined {
    const at = this.#publicKeys.findIndex((key) => verifyBytes(key, bytes, signature))
    return this.names[at]
  }
}

function nameOf(publicKey: Uint8Array): string {
  return hash('sha256', publicKey).slice(0, NAME_DIGITS)
}

function memberProof(secret: Uint8Array, prover: PeerName, verifier: PeerName): Uint8Array {
  return createHmac('sha256', secret)
    .update(canonicalBytes('shoal member v1', prover, verifier))
    .digest()
}
