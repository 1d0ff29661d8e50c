import type { KeyObject } from 'node:crypto'
import { sign, verify } from 'node:crypto'

export const SIGNATURE_BYTES = 64

/** 64 bytes: Ed25519, or ECDSA on P-256 with SHA-256 as r and s. */
export function signBytes(key: KeyObject, bytes: Uint8Array): Uint8Array {
  if (key.asymmetricKeyType === 'ed25519') return new Uint8Array(sign(null, bytes, key))
  return new Uint8Array(sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }))
}

export function verifyBytes(key: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false
  if (key.asymmetricKeyType === 'ed25519') return verify(null, bytes, key, signature)
  return verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, signature)
}
