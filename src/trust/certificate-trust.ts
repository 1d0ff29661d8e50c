import type { Authorities, Checked } from './authorities.ts'
import { canonicalBytes } from './canonical.ts'
import type { Certificate } from './certificate.ts'
import { dateProblem } from './certificate.ts'
import type { CertifiedRole } from './certified-role.ts'
import { roleText } from './certified-role.ts'
import type { Credential } from './credential.ts'
import { signEnvelope } from './credential.ts'
import { decodeEnvelope } from './envelope.ts'
import type { Judgement, PeerName } from './interface.ts'
import type { Revocations, TakenList } from './revocations.ts'
import { signBytes, verifyBytes } from './signature.ts'

/** What a host shows of itself on a link: its certificate (DER), and that it holds the key to it. */
export interface ShownCertificate {
  readonly certificate: Uint8Array
  readonly proof: Uint8Array
}

interface CertificateParts {
  readonly authorities: Authorities
  /** This process's own. */
  readonly credential: Credential | undefined
  readonly revocations: Revocations
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** Trust by certificates of the fleet's authorities: what this process can prove with its own, and what others' are worth. */
export class CertificateTrust {
  readonly authorities: Authorities
  readonly credential: Credential | undefined
  readonly revocations: Revocations
  readonly #now: () => number

  constructor(parts: CertificateParts) {
    this.authorities = parts.authorities
    this.credential = parts.credential
    this.revocations = parts.revocations
    this.#now = parts.now
  }

  /** Why this process's own credential counts for nothing now, and never as `role`; undefined when it counts. */
  ownProblem(role: CertifiedRole['role']): string | undefined {
    const certificate = this.credential?.certificate
    if (certificate === undefined) return 'there is none'
    if (certificate.role.role !== role) return `it is one of ${roleText(certificate.role)}`
    const checked = this.check(certificate.der)
    return checked.ok ? dateProblem(certificate, this.#now()) : checked.problem
  }

  /** Signs as `role`; undefined when this process may not, or not any more. */
  sign(role: CertifiedRole['role'], statement: Uint8Array): Uint8Array | undefined {
    if (this.credential === undefined || this.ownProblem(role) !== undefined) return undefined
    return signEnvelope(this.credential, statement)
  }

  /** Whether the envelope is over `statement`, by somebody whose role `fits`, now. */
  judge(statement: Uint8Array, envelope: Uint8Array, fits: (role: CertifiedRole) => boolean): Judgement {
    const signer = this.#signer(statement, envelope)
    if (typeof signer === 'string') return signer
    return fits(signer.role) ? 'good' : 'unknown'
  }

  /** The operator who has signed `statement`, by name and number; undefined if no operator has, or none that still is. */
  operator(statement: Uint8Array, envelope: Uint8Array): string | undefined {
    const signer = this.#signer(statement, envelope)
    if (typeof signer === 'string' || signer.role.role !== 'operator') return undefined
    return `${signer.name} (certificate ${signer.serial})`
  }

  #signer(statement: Uint8Array, envelope: Uint8Array): Certificate | 'false' | 'unknown' {
    const opened = decodeEnvelope(envelope)
    if (opened === undefined) return 'false'
    const checked = this.check(opened.certificate)
    if (!checked.ok) return 'unknown'
    const { certificate } = checked
    return verifyBytes(certificate.x509.publicKey, statement, opened.signature) ? certificate : 'false'
  }

  /** Shows `verifier` who `prover` (this host) is; undefined without a credential. */
  show(prover: PeerName, verifier: PeerName): ShownCertificate | undefined {
    if (this.credential === undefined) return undefined
    const { certificate, key } = this.credential
    return { certificate: certificate.der, proof: signBytes(key, linkStatement(prover, verifier)) }
  }

  /** What a certificate (DER) is worth now. */
  check(der: Uint8Array): Checked {
    const checked = this.authorities.check(der, this.#now())
    if (!checked.ok) return checked
    const { certificate, authority } = checked
    if (!this.revocations.isRevoked(authority.fingerprint, certificate.serial)) return checked
    return { ok: false, problem: `its certificate ${certificate.serial} was revoked` }
  }

  /** Takes a revocation list in (PEM or DER). Rejects with a plain Error when it is by none of the authorities. */
  takeRevocations(encoded: Uint8Array | string): Promise<TakenList> {
    return this.revocations.take(encoded, this.authorities.all)
  }

  /** Whether what `prover` shows is its own: the certificate's key has signed this pair of peers. Says nothing of its worth. */
  isHolder(prover: PeerName, verifier: PeerName, { proof }: ShownCertificate, checked: Checked): boolean {
    return checked.ok && verifyBytes(checked.certificate.x509.publicKey, linkStatement(prover, verifier), proof)
  }
}

function linkStatement(prover: PeerName, verifier: PeerName): Uint8Array {
  return canonicalBytes('shoal credential v1', prover, verifier)
}
