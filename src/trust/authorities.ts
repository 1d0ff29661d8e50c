import type { X509Certificate } from 'node:crypto'
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { errorText } from '../base/errors.ts'
import type { Certificate } from './certificate.ts'
import { CLOCK_SKEW_MS, certificateBlocks, commonName, dateProblem, parseX509, readCertificate } from './certificate.ts'

/** Far more than a fleet has caches and operators. */
const MAX_KNOWN = 1_024
/** Two during a change; the rest is room for mistakes that are harmless. */
const MAX_AUTHORITIES = 8

/** One who certifies, by its certificate. */
export interface Authority {
  readonly x509: X509Certificate
  /** SHA-256 of the certificate, lower case hex: what it is called among hosts. */
  readonly fingerprint: string
  readonly name: string
  readonly notAfterMs: number
}

/** What a certificate is worth: who its holder is and who says so, or why it is worth nothing. */
export type Checked =
  | { readonly ok: true; readonly certificate: Certificate; readonly authority: Authority }
  | { readonly ok: false; readonly problem: string }

/** What never changes about a certificate: everything but dates and revocation. */
type Known = Extract<Checked, { ok: true }> | { readonly ok: false; readonly problem: string }

/** Reads the authorities' certificates of a PEM file. Throws a plain Error that says what is wrong. */
export function readAuthorities(pem: string): Authority[] {
  const blocks = certificateBlocks(pem)
  if (blocks.length === 0) throw new Error('holds no certificate (PEM)')
  if (blocks.length > MAX_AUTHORITIES)
    throw new Error(`holds ${blocks.length} certificates, and ${MAX_AUTHORITIES} are the most`)
  return blocks.map((block) => {
    const x509 = parseX509(block)
    if (!x509.ca) throw new Error(`holds the certificate of ${commonName(x509)}, which may not certify others`)
    return {
      x509,
      fingerprint: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
      name: commonName(x509),
      notAfterMs: x509.validToDate.getTime(),
    }
  })
}

/**
 * The fleet's authorities, and what they have certified. A certificate counts when one of them has signed it itself: there
 * are no chains. The signature is checked once per certificate; dates and revocation every time.
 */
export class Authorities {
  readonly all: readonly Authority[]
  readonly #fleet: string | null
  readonly #good = new LRUCache<string, Extract<Known, { ok: true }>>({ max: MAX_KNOWN })
  // apart, so that made-up certificates push out no good one
  readonly #bad = new LRUCache<string, Extract<Known, { ok: false }>>({ max: MAX_KNOWN })

  /** `fleet`: the only fleet whose roles count, for an authority that serves several; null takes any. */
  constructor(all: readonly Authority[], fleet: string | null) {
    this.all = all
    this.#fleet = fleet
  }

  /** Whether the certificate (DER) holds at `nowMs` by the wall clock; what has been revoked is its caller's to know. */
  check(der: Uint8Array, nowMs: number): Checked {
    const known = this.#known(der)
    if (!known.ok) return known
    const { certificate, authority } = known
    const problem = dateProblem(certificate, nowMs)
    if (problem !== undefined) return { ok: false, problem: `its certificate ${problem}` }
    if (nowMs > authority.notAfterMs + CLOCK_SKEW_MS) {
      const when = new Date(authority.notAfterMs).toISOString()
      return { ok: false, problem: `the authority ${authority.name} that certified it ended at ${when}` }
    }
    return known
  }

  #known(der: Uint8Array): Known {
    const fingerprint = hash('sha256', der, 'base64')
    const seen = this.#good.get(fingerprint) ?? this.#bad.get(fingerprint)
    if (seen !== undefined) return seen
    const known = this.#examine(der)
    if (known.ok) this.#good.set(fingerprint, known)
    else this.#bad.set(fingerprint, known)
    return known
  }

  #examine(der: Uint8Array): Known {
    let certificate: Certificate
    try {
      certificate = readCertificate(der)
    } catch (error) {
      return { ok: false, problem: `its certificate ${errorText(error)}` }
    }
    const { x509, role } = certificate
    const authority = this.all.find((one) => x509.checkIssued(one.x509) && x509.verify(one.x509.publicKey))
    if (authority === undefined) return { ok: false, problem: 'its certificate is by no authority of this fleet' }
    if (this.#fleet !== null && role.fleet !== this.#fleet) {
      return { ok: false, problem: `its certificate is for fleet ${role.fleet}, and this one is ${this.#fleet}` }
    }
    return { ok: true, certificate, authority }
  }
}
