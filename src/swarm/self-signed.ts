import { createHash, generateKeyPairSync, sign } from 'node:crypto'

/** A key and a certificate that nobody has vouched for: its fingerprint is all there is to know it by. */
export interface SelfSigned {
  /** PEM, both, as node:tls takes them. */
  readonly key: string
  readonly certificate: string
  /** SHA-256 of the certificate's DER form. */
  readonly fingerprint: Uint8Array
}

const INTEGER = 0x02
const BIT_STRING = 0x03
const OBJECT_ID = 0x06
const UTF8_STRING = 0x0c
const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18
const SEQUENCE = 0x30
const SET = 0x31
const EXPLICIT_0 = 0xa0

/** 1.3.101.112 (RFC 8410) and 2.5.4.3. */
const ED25519 = Buffer.from('2b6570', 'hex')
const COMMON_NAME = Buffer.from('550403', 'hex')

/**
 * Makes a new Ed25519 key and the smallest X.509 v3 certificate for it (RFC 5280 section 4.1). It names nobody and never
 * expires: whoever is shown it compares its fingerprint with one learnt before, and looks at nothing else.
 */
export function makeSelfSigned(): SelfSigned {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const algorithm = der(SEQUENCE, der(OBJECT_ID, ED25519))
  const text = der(UTF8_STRING, Buffer.from('shoal'))
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, der(OBJECT_ID, COMMON_NAME), text)))
  const forever = der(
    SEQUENCE,
    der(UTC_TIME, Buffer.from('000101000000Z')),
    der(GENERALIZED_TIME, Buffer.from('99991231235959Z')),
  )
  const version3 = der(EXPLICIT_0, der(INTEGER, Buffer.of(2)))
  const serial = der(INTEGER, Buffer.of(1))
  const subjectKey = publicKey.export({ format: 'der', type: 'spki' })
  const body = der(SEQUENCE, version3, serial, algorithm, name, forever, name, subjectKey)
  const signature = der(BIT_STRING, Buffer.of(0), sign(null, body, privateKey))
  const whole = der(SEQUENCE, body, algorithm, signature)
  return {
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    certificate: `-----BEGIN CERTIFICATE-----\n${whole.toString('base64')}\n-----END CERTIFICATE-----\n`,
    fingerprint: certificateFingerprint(whole),
  }
}

export function certificateFingerprint(certificateDer: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(certificateDer).digest())
}

/** A value with its tag and length (X.690 section 8.1); a certificate like this stays far below 64 KiB. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const { length } = body
  const short = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...short), body])
}
