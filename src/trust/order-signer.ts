import type { Clock } from '../base/clock.ts'
import { systemClock } from '../base/clock.ts'
import { errorText } from '../base/errors.ts'
import { canonicalBytes } from './canonical.ts'
import { dateProblem } from './certificate.ts'
import type { CredentialFiles } from './credential.ts'
import { invalidFile, parseCredential, readTextFile, signEnvelope } from './credential.ts'
import { ed25519PrivateKey } from './ed25519.ts'
import { parseFleetKey } from './fleet-key.ts'
import { signBytes } from './signature.ts'

/** Who may act on the fleet, without being a host of it: a person or a pipeline with a credential in a file. */
export interface OrderSigner {
  /** Whose signatures they are, for people. */
  readonly name: string
  /** Signs a statement that acts on the fleet: what `Trust.ordered` checks. */
  order(statement: Uint8Array): Uint8Array
}

/** What an order's signature is made over, so that nothing else that a key has signed is one. */
export function orderStatement(statement: Uint8Array): Uint8Array {
  return canonicalBytes('shoal order v1', statement)
}

/**
 * Loads an operator's credential (PEM), or, in a fleet without an authority, the fleet's cache key. Throws
 * `CONFIG_INVALID` naming the file and what is wrong: not readable, no operator's, not valid now.
 */
export async function loadOrderSigner(
  files: CredentialFiles,
  clock: Pick<Clock, 'wall'> = systemClock,
): Promise<OrderSigner> {
  const text = await readTextFile(files.certificate)
  if (text.trimStart().startsWith('shoal-')) return keySigner(files.certificate, text)
  const keyFile = files.key ?? files.certificate
  const keyText = keyFile === files.certificate ? text : await readTextFile(keyFile)
  const credential = parseCredential(text, keyText, { certificate: files.certificate, key: keyFile })
  const { certificate } = credential
  if (certificate.role.role !== 'operator') {
    throw invalidFile(files.certificate, 'is no operator credential; shoal fleet certify operator makes one')
  }
  const problem = dateProblem(certificate, clock.wall())
  if (problem !== undefined) {
    throw invalidFile(files.certificate, `its certificate ${problem}; shoal fleet certify operator makes a new one`)
  }
  return { name: certificate.name, order: (statement) => signEnvelope(credential, orderStatement(statement)) }
}

function keySigner(file: string, text: string): OrderSigner {
  let key: ReturnType<typeof parseFleetKey>
  try {
    key = parseFleetKey(text.trim().split('\n')[0] ?? '')
  } catch (cause) {
    throw invalidFile(file, errorText(cause))
  }
  if (key.kind !== 'cache') throw invalidFile(file, 'is no cache key: only its holders may act on the fleet')
  const signingKey = ed25519PrivateKey(key.signingSeed)
  return { name: "the fleet's cache key", order: (statement) => signBytes(signingKey, orderStatement(statement)) }
}
