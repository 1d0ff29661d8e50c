import { X509Certificate } from 'node:crypto'
import type { CertifiedRole } from './certified-role.ts'
import { roleOfNames } from './certified-role.ts'

/** Clocks of a fleet differ a little: a certificate counts this much longer, and this much sooner. */
export const CLOCK_SKEW_MS = 5 * 60_000

/** A certificate as far as it can be read without knowing who made it. */
export interface Certificate {
  readonly x509: X509Certificate
  readonly der: Uint8Array
  readonly role: CertifiedRole
  /** Upper case hex without leading zeros, as everywhere in here. */
  readonly serial: string
  /** The subject's common name, for people; else all of the subject. */
  readonly name: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** The certificates of a PEM file, in its order; text around them does not matter. */
export function certificateBlocks(pem: string): string[] {
  return pem.match(BLOCK) ?? []
}

/** Reads a holder's certificate, DER or PEM. Throws a plain Error that says what is wrong with it. */
export function readCertificate(encoded: Uint8Array | string): Certificate {
  const x509 = parseX509(encoded)
  if (x509.ca) throw new Error("is an authority's certificate, and no host's")
  checkHolderKey(x509)
  return {
    x509,
    der: new Uint8Array(x509.raw),
    role: roleOfNames(x509.subjectAltName),
    serial: canonicalSerial(x509.serialNumber),
    name: commonName(x509),
    notBeforeMs: x509.validFromDate.getTime(),
    notAfterMs: x509.validToDate.getTime(),
  }
}

export function parseX509(encoded: Uint8Array | string): X509Certificate {
  try {
    return new X509Certificate(encoded)
  } catch (cause) {
    throw new Error('is no X.509 certificate', { cause })
  }
}

/** `00ff02` and `FF02` are one number. */
export function canonicalSerial(hex: string): string {
  return hex.replace(/^0+(?=.)/, '').toUpperCase()
}

export function commonName({ subject }: X509Certificate): string {
  return /^CN=(.*)$/m.exec(subject)?.[1] ?? subject.replaceAll('\n', ', ')
}

/** Why a certificate does not hold now, by a wall clock; undefined when it does. */
export function dateProblem({ notBeforeMs, notAfterMs }: Certificate, nowMs: number): string | undefined {
  if (nowMs < notBeforeMs - CLOCK_SKEW_MS) return `is not valid before ${new Date(notBeforeMs).toISOString()}`
  if (nowMs > notAfterMs + CLOCK_SKEW_MS) return `ended at ${new Date(notAfterMs).toISOString()}`
  return undefined
}

/** Only keys whose signatures are 64 bytes: they go with every run of hashes. */
function checkHolderKey({ publicKey }: X509Certificate): void {
  const kind = publicKey.asymmetricKeyType
  if (kind === 'ed25519') return
  if (kind === 'ec' && publicKey.asymmetricKeyDetails?.namedCurve === 'prime256v1') return
  throw new Error(`has a key of type ${kind}; only Ed25519 and ECDSA on P-256 are taken`)
}
