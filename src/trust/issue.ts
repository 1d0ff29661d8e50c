import type { KeyObject, webcrypto } from 'node:crypto'
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { CLOCK_SKEW_MS } from './certificate.ts'
import type { CertifiedRole } from './certified-role.ts'
import { roleUri } from './certified-role.ts'
import { loadX509Library } from './x509-library.ts'

const DAY_MS = 86_400_000
const ALGORITHM = 'Ed25519'
/** RFC 5280, 5.2.3. */
const CRL_NUMBER = '2.5.29.20'

/** An authority's certificate and key (PEM): all that it takes to certify. */
export interface AuthorityFiles {
  readonly certificatePem: string
  readonly keyPem: string
}

interface Issued {
  readonly certificatePem: string
  /** PKCS #8, PEM. */
  readonly keyPem: string
}

interface CertificateRequest {
  readonly role: CertifiedRole
  /** The subject's common name, for people and logs. */
  readonly name: string
  readonly days: number
}

/** One certificate taken back. */
interface Revoked {
  /** Hex. */
  readonly serial: string
  readonly atMs: number
}

/** A new authority that certifies hosts and people of `fleet`, and nobody who would certify others. */
export async function newAuthority(fleet: string, days: number, nowMs: number): Promise<Issued> {
  const x509 = await loadX509Library()
  const { keys, keyPem } = await newKeys()
  const usages = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: `CN=${fleet} fleet authority ${new Date(nowMs).toISOString().slice(0, 10)}`,
    ...lifetime(nowMs, days),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(usages, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificatePem: pem(certificate), keyPem }
}

/** A new key with a certificate by `authority`. Throws a plain Error when the authority's key is of another kind. */
export async function issueCertificate(
  authority: AuthorityFiles,
  { role, name, days }: CertificateRequest,
  nowMs: number,
): Promise<Issued> {
  const x509 = await loadX509Library()
  const issuer = new x509.X509Certificate(authority.certificatePem)
  const { keys, keyPem } = await newKeys()
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: new x509.Name([{ CN: [name] }]).toString(),
    issuer: issuer.subject,
    ...lifetime(nowMs, days),
    signingKey: await signingKey(authority),
    publicKey: keys.publicKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: roleUri(role) }]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  })
  return { certificatePem: pem(certificate), keyPem }
}

/** The whole list of what `authority` has taken back, as of `nowMs`, to be replaced within `days` (PEM). */
export async function issueRevocationList(
  authority: AuthorityFiles,
  revoked: readonly Revoked[],
  days: number,
  nowMs: number,
): Promise<string> {
  const x509 = await loadX509Library()
  const issuer = new x509.X509Certificate(authority.certificatePem)
  const list = await x509.X509CrlGenerator.create({
    issuer: issuer.subject,
    thisUpdate: new Date(nowMs),
    nextUpdate: new Date(nowMs + days * DAY_MS),
    entries: revoked.map(({ serial, atMs }) => ({
      serialNumber: positive(serial),
      revocationDate: new Date(atMs),
      // without any extension the library writes an empty list of them, which others do not read
      reason: x509.X509CrlReason.privilegeWithdrawn,
    })),
    signingKey: await signingKey(authority),
    signingAlgorithm: ALGORITHM,
    extensions: [
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      new x509.Extension(CRL_NUMBER, false, derInteger(Math.floor(nowMs / 1000))),
    ],
  })
  // RFC 7468 has this label; the library would write another
  return `${x509.PemConverter.encode(list.rawData, 'X509 CRL')}\n`
}

interface NewKeys {
  readonly keys: webcrypto.CryptoKeyPair
  readonly keyPem: string
}

async function newKeys(): Promise<NewKeys> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    keys: {
      privateKey: privateKey.toCryptoKey(ALGORITHM, true, ['sign']),
      publicKey: publicKey.toCryptoKey(ALGORITHM, true, ['verify']),
    },
    keyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
  }
}

async function signingKey({ keyPem }: AuthorityFiles): Promise<webcrypto.CryptoKey> {
  const key: KeyObject = createPrivateKey(keyPem)
  if (key.asymmetricKeyType !== 'ed25519') throw new Error('only authorities with an Ed25519 key certify here')
  return key.toCryptoKey(ALGORITHM, false, ['sign'])
}

/** It begins a little earlier: the host's clock may be behind this one's. */
function lifetime(nowMs: number, days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(nowMs - CLOCK_SKEW_MS), notAfter: new Date(nowMs + days * DAY_MS) }
}

/** 127 random bits, not zero in front: RFC 5280 wants a positive number that nobody guesses. */
function newSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString('hex')
}

/** Whole bytes, and none that make DER read a negative number. */
function positive(hex: string): string {
  const even = hex.length % 2 === 0 ? hex : `0${hex}`
  return /^[89a-f]/i.test(even) ? `00${even}` : even
}

function derInteger(value: number): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.from(positive(value.toString(16)), 'hex')
  return new Uint8Array([0x02, bytes.length, ...bytes])
}

function pem(certificate: { toString(format: 'pem'): string }): string {
  return `${certificate.toString('pem')}\n`
}
