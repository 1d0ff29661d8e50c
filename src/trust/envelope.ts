import { MAX_SIGNATURE_BYTES } from './interface.ts'
import { SIGNATURE_BYTES } from './signature.ts'

/** The first byte of an envelope; the fleet key's own signatures are told apart by their length. */
const VERSION = 1
const HEAD_BYTES = 3

/** The longest certificate an envelope takes. */
export const MAX_CERTIFICATE_BYTES = MAX_SIGNATURE_BYTES - HEAD_BYTES - SIGNATURE_BYTES

/** A signature that says whose it is: the signer's certificate (DER) and the 64 bytes. */
interface Envelope {
  readonly certificate: Uint8Array
  readonly signature: Uint8Array
}

/** A byte for the version, the certificate's length (u16, big endian), the certificate, the signature. */
export function encodeEnvelope({ certificate, signature }: Envelope): Uint8Array {
  const envelope = Buffer.alloc(HEAD_BYTES + certificate.length + SIGNATURE_BYTES)
  envelope.writeUInt8(VERSION)
  envelope.writeUInt16BE(certificate.length, 1)
  envelope.set(certificate, HEAD_BYTES)
  envelope.set(signature, HEAD_BYTES + certificate.length)
  return new Uint8Array(envelope)
}

/** Undefined for whatever is no envelope, a bare signature included. */
export function decodeEnvelope(bytes: Uint8Array): Envelope | undefined {
  if (bytes.length > MAX_SIGNATURE_BYTES || bytes.length <= HEAD_BYTES + SIGNATURE_BYTES) return undefined
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = view.readUInt16BE(1)
  if (view.readUInt8() !== VERSION || bytes.length !== HEAD_BYTES + length + SIGNATURE_BYTES) return undefined
  return {
    certificate: bytes.subarray(HEAD_BYTES, HEAD_BYTES + length),
    signature: bytes.subarray(HEAD_BYTES + length),
  }
}
