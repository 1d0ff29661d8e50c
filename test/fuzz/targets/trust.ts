import fc from 'fast-check'
import type { ErrorCode } from '../../../src/base/errors.ts'
import { decodeEnvelope, encodeEnvelope } from '../../../src/trust/envelope.ts'
import {
  Authorities,
  parseCredential,
  parseFleetKeys,
  readAuthorities,
  readRevocationList,
} from '../../../src/trust/index.ts'
import { AUTHORITY, CERTIFICATE, derOf, HOLDS_AT_MS, REVOCATIONS } from '../certificates.ts'
import { near, nearText, textOf, words } from '../damage.ts'
import type { Target } from '../target.ts'

const authorities = readAuthorities(AUTHORITY)
const CONFIG: readonly ErrorCode[] = ['CONFIG_INVALID']

/** Whatever is in them, nothing is thrown. */
export const certificates: Target = {
  what: "members' certificates, and signatures that carry one",
  input: near(
    fc.boolean().map((signed) => {
      const certificate = derOf(CERTIFICATE)
      return signed ? encodeEnvelope({ certificate, signature: new Uint8Array(64) }) : certificate
    }),
  ),
  refusals: [],
  read(bytes) {
    const certificate = decodeEnvelope(bytes)?.certificate ?? bytes
    const checked = new Authorities(authorities, 'prod').check(certificate, HOLDS_AT_MS)
    return checked.ok ? checked : undefined
  },
}

export const revocations: Target = {
  what: 'revocation lists, from files and from other hosts',
  input: near(fc.oneof(fc.constant(derOf(REVOCATIONS)), fc.constant(Buffer.from(REVOCATIONS)))),
  refusals: [],
  async read(bytes) {
    const encoded = bytes[0] === 0x2d ? textOf(bytes) : bytes
    return await orPlainError(() => readRevocationList(encoded, authorities))
  },
}

const KEY = `shoal-member-v1:${Buffer.alloc(32, 7).toString('base64url')}`

export const keyFiles: Target = {
  what: 'key files, credentials and authorities of a fleet',
  input: nearText(
    fc.oneof(
      fc.constantFrom(KEY, CERTIFICATE, AUTHORITY, `${KEY}\n${KEY}\n`),
      words([
        KEY,
        '\n',
        ' ',
        'shoal-cache-v1:',
        'shoal-agent-v1:',
        'AAAA',
        CERTIFICATE,
        AUTHORITY,
        '-----BEGIN PRIVATE KEY-----\n',
      ]),
    ),
  ),
  refusals: CONFIG,
  async read(bytes) {
    const text = textOf(bytes)
    if (!text.includes('BEGIN')) return parseFleetKeys(text)
    const read = await orPlainError(async () => readAuthorities(text))
    return read ?? parseCredential(text, text, { certificate: 'a', key: 'b' })
  },
}

/** Says in a plain Error what is wrong; one of the engine's own kinds is a fault. */
async function orPlainError<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (Object.getPrototypeOf(error) !== Error.prototype) throw error
    return undefined
  }
}
