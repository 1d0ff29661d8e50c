import { canonicalBytes } from './canonical.ts'
import type { CertificateTrust, ShownCertificate } from './certificate-trust.ts'
import type { CertifiedRole } from './certified-role.ts'
import { roleText } from './certified-role.ts'
import type { FleetKey } from './fleet-key.ts'
import type { Judgement, PeerName, Trust } from './interface.ts'
import { KeyRing } from './key-ring.ts'
import { orderStatement } from './order-signer.ts'
import { SIGNATURE_BYTES } from './signature.ts'

/** What a peer shows for being a cache. */
interface CacheClaim {
  /** By the fleet's cache key. */
  readonly roleProof: Uint8Array | undefined
  readonly shown: ShownCertificate | undefined
}

/**
 * What the claim is worth. `certified`: an authority says so. `key`: it holds the fleet's cache key, and that counts here.
 * `none`: it may be a member, and no cache. `forged`: it showed what is not its own.
 */
export type CacheVerdict =
  | { readonly kind: 'certified' }
  | { readonly kind: 'key' }
  | { readonly kind: 'none'; readonly problem: string }
  | { readonly kind: 'forged'; readonly problem: string }

export interface FleetTrustParts {
  /** The first proves, all are accepted. */
  readonly keys: readonly FleetKey[]
  /** Undefined in a fleet without an authority: then the cache key says who may speak for it. */
  readonly certificates: CertificateTrust | undefined
  /** Whether the cache key counts beside certificates: while a fleet moves from one to the other. */
  readonly acceptCacheKeys: boolean
}

/**
 * Makes and checks what a host can prove: by the fleet's shared keys, and by certificates where the fleet has an authority.
 * Every proof names the peer ids it is for, and the noise handshake has proven those, so a proof that leaks is of no
 * use to anybody else.
 */
export class FleetTrust implements Trust {
  #keys: KeyRing
  #certificates: CertificateTrust | undefined
  #acceptCacheKeys: boolean
  readonly #listeners = new Set<() => void>()

  constructor(parts: FleetKey | FleetTrustParts) {
    const { keys, certificates, acceptCacheKeys } =
      'keys' in parts ? parts : { keys: [parts], certificates: undefined, acceptCacheKeys: false }
    this.#keys = new KeyRing(keys)
    this.#certificates = certificates
    this.#acceptCacheKeys = acceptCacheKeys
  }

  /** Takes other keys and certificates in the place of those it has, and tells those who listen. */
  replace({ keys, certificates, acceptCacheKeys }: FleetTrustParts): void {
    this.#keys = new KeyRing(keys)
    this.#certificates = certificates
    this.#acceptCacheKeys = acceptCacheKeys
    this.changed()
  }

  /** Calls `listener` whenever what is believed may have changed, until disposed. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) }
  }

  /** Something below has changed: a revocation. */
  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  /** Undefined in a fleet without an authority. */
  get certificates(): CertificateTrust | undefined {
    return this.#certificates
  }

  /** Whether it is the key that everybody has. */
  get isLoopback(): boolean {
    return this.#keys.isLoopback
  }

  /** Whether the fleet's cache key says who may speak for it. */
  get #keyCounts(): boolean {
    return this.#certificates === undefined || this.#acceptCacheKeys
  }

  /** Shows `verifier` that `prover` holds the fleet's secret. */
  proveMember(prover: PeerName, verifier: PeerName): Uint8Array {
    return this.#keys.proveMember(prover, verifier)
  }

  isMember(prover: PeerName, verifier: PeerName, proof: Uint8Array): boolean {
    return this.#keys.isMember(prover, verifier, proof)
  }

  /** Shows that `peer` may act as a cache of `region`, by the cache key; undefined when this host does not hold it. */
  proveCache(peer: PeerName, region: string): Uint8Array | undefined {
    return this.#keys.sign(cacheStatement(peer, region))
  }

  isCache(peer: PeerName, region: string, proof: Uint8Array): boolean {
    return this.#keys.verify(cacheStatement(peer, region), proof)
  }

  /** What it is worth that `prover`, of `region`, says it is a cache. */
  weigh(prover: PeerName, verifier: PeerName, region: string, claim: CacheClaim): CacheVerdict {
    const hasKey = claim.roleProof !== undefined && this.isCache(prover, region, claim.roleProof)
    if (this.#certificates === undefined) {
      return hasKey ? { kind: 'key' } : { kind: 'forged', problem: 'it does not prove to hold the cache key' }
    }
    const verdict = this.#weighCertificate(this.#certificates, prover, verifier, region, claim.shown)
    return verdict.kind === 'none' && hasKey && this.#acceptCacheKeys ? { kind: 'key' } : verdict
  }

  /** Why a certificate (DER) that was shown on a link does not make its holder a cache of `region` any more. */
  lapse(certificate: Uint8Array | undefined, region: string): string | undefined {
    if (certificate === undefined || this.#certificates === undefined) {
      return this.#keyCounts ? undefined : 'the fleet has an authority now, and it shows no certificate'
    }
    const checked = this.#certificates.check(certificate)
    if (!checked.ok) return checked.problem
    const { role } = checked.certificate
    return role.role === 'cache' && role.region === region ? undefined : `its certificate is for a ${roleText(role)}`
  }

  /** Whether this host may vouch for hashes and tags of its region, now. */
  get canVouch(): boolean {
    const certificates = this.#certificates
    if (certificates?.credential !== undefined) return certificates.ownProblem('cache') === undefined
    return this.#keyCounts && this.#keys.canSign
  }

  vouch(statement: Uint8Array): Uint8Array | undefined {
    const certificates = this.#certificates
    if (certificates?.credential !== undefined) return certificates.sign('cache', statement)
    return this.#keyCounts ? this.#keys.sign(statement) : undefined
  }

  vouched(statement: Uint8Array, signature: Uint8Array, region: string): boolean {
    return this.judge(statement, signature, [region]) === 'good'
  }

  judge(
    statement: Uint8Array,
    signature: Uint8Array,
    regions: readonly string[],
    cacheKeys: readonly string[] = [],
  ): Judgement {
    if (signature.length === SIGNATURE_BYTES) {
      if (!this.#keyCounts || !this.#keys.canVerify) return 'unknown'
      if (this.#keys.verify(statement, signature)) return 'good'
      // while keys are replaced, an honest host hands on what is signed with a key that this one has not yet, or no more
      return cacheKeys.some((name) => !this.cacheKeys.includes(name)) ? 'unknown' : 'false'
    }
    const isOne = (role: CertifiedRole): boolean => role.role === 'cache' && regions.includes(role.region)
    return this.#certificates?.judge(statement, signature, isOne) ?? 'unknown'
  }

  /** What the cache keys are called whose signatures count here. */
  get cacheKeys(): readonly string[] {
    return this.#keyCounts ? this.#keys.names : []
  }

  /** Whether this process holds an operator's credential; without an authority, the fleet's cache key. */
  get canOrder(): boolean {
    if (this.#certificates?.ownProblem('operator') === undefined && this.#certificates !== undefined) return true
    return this.#keyCounts && this.#keys.canSign
  }

  order(statement: Uint8Array): Uint8Array | undefined {
    const signed = this.#certificates?.sign('operator', orderStatement(statement))
    return signed ?? (this.#keyCounts ? this.#keys.sign(orderStatement(statement)) : undefined)
  }

  ordered(statement: Uint8Array, signature: Uint8Array): string | undefined {
    const bytes = orderStatement(statement)
    const key = this.#keyCounts ? this.#keys.signer(bytes, signature) : undefined
    return key === undefined ? this.#certificates?.operator(bytes, signature) : `a holder of cache key ${key}`
  }

  #weighCertificate(
    certificates: CertificateTrust,
    prover: PeerName,
    verifier: PeerName,
    region: string,
    shown: ShownCertificate | undefined,
  ): CacheVerdict {
    if (shown === undefined) return { kind: 'none', problem: 'it shows no certificate' }
    const checked = certificates.check(shown.certificate)
    if (!checked.ok) return { kind: 'none', problem: checked.problem }
    if (!certificates.isHolder(prover, verifier, shown, checked)) {
      return { kind: 'forged', problem: 'it does not hold the key of the certificate it shows' }
    }
    const { role } = checked.certificate
    if (role.role === 'cache' && role.region === region) return { kind: 'certified' }
    return {
      kind: 'none',
      problem: `its certificate is for a ${roleText(role)}, and it says it is of region ${region}`,
    }
  }
}

function cacheStatement(peer: PeerName, region: string): Uint8Array {
  return canonicalBytes('shoal cache v1', peer, region)
}
