import { errorText } from '../base/errors.ts'
import type { Authority } from './authorities.ts'
import { canonicalSerial } from './certificate.ts'
import { loadX509Library } from './x509-library.ts'

/** Some 1500 entries, which is far more than short-lived certificates need; read in a few milliseconds. */
export const MAX_REVOCATIONS_BYTES = 64 * 1024

/** What one authority has taken back: a certificate revocation list (RFC 5280) whose signature has been checked. */
export interface RevocationList {
  readonly der: Uint8Array
  /** The authority's fingerprint. */
  readonly authority: string
  readonly issuedAtMs: number
  /** When the authority meant to have issued the next one. */
  readonly nextAtMs: number | undefined
  /** When each serial was revoked, epoch ms. */
  readonly revoked: ReadonlyMap<string, number>
}

/**
 * Reads a list, PEM or DER, and checks whose it is. Rejects with a plain Error that says what is wrong: too long, damaged,
 * by nobody among `authorities`, or only a part of a list.
 */
export async function readRevocationList(
  encoded: Uint8Array | string,
  authorities: readonly Authority[],
): Promise<RevocationList> {
  if (encoded.length > 2 * MAX_REVOCATIONS_BYTES) throw new Error(tooLong(encoded.length))
  const { X509Crl, X509Certificate } = await loadX509Library()
  let list: InstanceType<typeof X509Crl>
  try {
    list = new X509Crl(typeof encoded === 'string' ? encoded : new Uint8Array(encoded))
  } catch (error) {
    throw new Error(`is no revocation list (${errorText(error)})`)
  }
  const der = new Uint8Array(list.rawData)
  if (der.length > MAX_REVOCATIONS_BYTES) throw new Error(tooLong(der.length))
  // parts of lists, and lists for others, say so in a critical extension: none is understood here
  const strange = list.extensions.find(({ critical }) => critical)
  if (strange !== undefined) throw new Error(`is a revocation list with a critical extension (${strange.type})`)
  for (const { x509, fingerprint } of authorities) {
    const issuer = new X509Certificate(new Uint8Array(x509.raw))
    if (issuer.subject !== list.issuer || !(await verifies(list, issuer))) continue
    return {
      der,
      authority: fingerprint,
      issuedAtMs: list.thisUpdate.getTime(),
      nextAtMs: list.nextUpdate?.getTime(),
      revoked: new Map(
        list.entries.map((entry) => [canonicalSerial(entry.serialNumber), entry.revocationDate.getTime()]),
      ),
    }
  }
  throw new Error('is a revocation list by no authority of this fleet')
}

async function verifies(
  list: { verify(params: { publicKey: never }): Promise<boolean> },
  issuer: object,
): Promise<boolean> {
  try {
    return await list.verify({ publicKey: issuer as never })
  } catch {
    // a key of another kind than the signature's
    return false
  }
}

function tooLong(bytes: number): string {
  return `is too long for a revocation list (${bytes} bytes; ${MAX_REVOCATIONS_BYTES} are the most)`
}
