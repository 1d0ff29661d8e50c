import type { KeyObject } from 'node:crypto'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { errorText, ShoalError } from '../base/errors.ts'
import type { Certificate } from './certificate.ts'
import { certificateBlocks, readCertificate } from './certificate.ts'
import { encodeEnvelope, MAX_CERTIFICATE_BYTES } from './envelope.ts'
import { signBytes } from './signature.ts'

/** Where a credential lies. `key` may be the same file, or left out when it is. */
export interface CredentialFiles {
  readonly certificate: string
  readonly key?: string | null | undefined
}

/** A certificate and the private key that belongs to it. */
export interface Credential {
  readonly certificate: Certificate
  readonly key: KeyObject
}

/** Reads a credential. Throws `CONFIG_INVALID` naming the file and what is wrong with it; says nothing of its dates. */
export async function loadCredential(files: CredentialFiles): Promise<Credential> {
  const keyFile = files.key ?? files.certificate
  const text = await readTextFile(files.certificate)
  const keyText = keyFile === files.certificate ? text : await readTextFile(keyFile)
  return parseCredential(text, keyText, { certificate: files.certificate, key: keyFile })
}

export function parseCredential(
  text: string,
  keyText: string,
  names: { readonly certificate: string; readonly key: string },
): Credential {
  const [block] = certificateBlocks(text)
  if (block === undefined) throw invalidFile(names.certificate, 'holds no certificate (PEM)')
  const certificate = attempt(names.certificate, () => readCertificate(block))
  if (certificate.der.length > MAX_CERTIFICATE_BYTES) {
    throw invalidFile(
      names.certificate,
      `its certificate has ${certificate.der.length} bytes, and ${MAX_CERTIFICATE_BYTES} is the most`,
    )
  }
  const key = parseKey(names.key, keyText)
  if (!createPublicKey(key).equals(certificate.x509.publicKey)) {
    throw invalidFile(names.key, `holds a key that is not the one of the certificate in ${names.certificate}`)
  }
  return { certificate, key }
}

/** A signature over `statement` that carries the certificate with it. */
export function signEnvelope({ certificate, key }: Credential, statement: Uint8Array): Uint8Array {
  return encodeEnvelope({ certificate: certificate.der, signature: signBytes(key, statement) })
}

function parseKey(file: string, text: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch {
    // the cause may quote what it could not read
    throw invalidFile(file, 'holds no private key (PEM, without a passphrase)')
  }
}

function attempt<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw invalidFile(file, errorText(cause))
  }
}

/** Throws `CONFIG_INVALID`. */
export async function readTextFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw invalidFile(file, `cannot be read (${errorText(cause)})`)
  }
}

export function invalidFile(file: string, problem: string): ShoalError {
  return new ShoalError('CONFIG_INVALID', `${file}: ${problem}`)
}
