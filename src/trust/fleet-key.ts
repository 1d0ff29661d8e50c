import { createHash, randomBytes } from 'node:crypto'
import { ShoalError } from '../base/errors.ts'
import { ED25519_BYTES, ed25519PrivateKey, ed25519RawPublicKey } from './ed25519.ts'

const SECRET_BYTES = 32
const CACHE_PREFIX = 'shoal-cache-key-v1:'
const AGENT_PREFIX = 'shoal-agent-key-v1:'
const MEMBER_PREFIX = 'shoal-member-key-v1:'
const PREFIXES = { cache: CACHE_PREFIX, agent: AGENT_PREFIX, member: MEMBER_PREFIX } as const
const BASE64URL = /^[A-Za-z0-9_-]+$/

/** Two while a key is being replaced; one more for somebody who begins the next change before the last one has ended. */
const MAX_KEYS = 3

/**
 * What makes a host a member. The cache form also holds the private half of the fleet's signing key, so that its
 * holder may claim `role: cache` and vouch for piece hashes; the agent form can only check both. The member form has
 * neither: an authority says who is a cache.
 */
export type FleetKey =
  | {
      readonly kind: 'cache'
      readonly secret: Uint8Array
      readonly signingSeed: Uint8Array
      readonly publicKey: Uint8Array
    }
  | { readonly kind: 'agent'; readonly secret: Uint8Array; readonly publicKey: Uint8Array }
  | { readonly kind: 'member'; readonly secret: Uint8Array }

/** A new key for a new fleet, in the form for its caches. */
export function generateFleetKey(): FleetKey {
  return cacheKey(new Uint8Array(randomBytes(SECRET_BYTES)), new Uint8Array(randomBytes(ED25519_BYTES)))
}

/** A new key for a fleet with an authority: it proves membership and nothing else. */
export function generateMemberKey(): FleetKey {
  return { kind: 'member', secret: new Uint8Array(randomBytes(SECRET_BYTES)) }
}

/** The form for hosts that are no caches: it proves membership, and cannot vouch. */
export function agentKeyOf(key: FleetKey): FleetKey {
  return key.kind === 'member' ? key : { kind: 'agent', secret: key.secret, publicKey: key.publicKey }
}

/** One line without its end: `shoal-cache-key-v1:` or one of its kind, and the bytes in base64url. */
export function formatFleetKey(key: FleetKey): string {
  return PREFIXES[key.kind] + Buffer.concat([key.secret, secondPart(key)]).toString('base64url')
}

function secondPart(key: FleetKey): Uint8Array {
  switch (key.kind) {
    case 'cache':
      return key.signingSeed
    case 'agent':
      return key.publicKey
    case 'member':
      return new Uint8Array()
  }
}

/** Reads a key file: a key a line, the first is the one that proves. Throws `CONFIG_INVALID`, never quoting a key. */
export function parseFleetKeys(text: string): FleetKey[] {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  if (lines.length > MAX_KEYS) {
    throw new ShoalError('CONFIG_INVALID', `the file holds ${lines.length} fleet keys, and ${MAX_KEYS} are the most`)
  }
  return lines.length <= 1 ? [parseFleetKey(text)] : lines.map(parseFleetKey)
}

/** Reads what formatFleetKey wrote; white space around it does not matter. Throws `CONFIG_INVALID`, never quoting the key. */
export function parseFleetKey(text: string): FleetKey {
  const line = text.trim()
  const kind = (['cache', 'agent', 'member'] as const).find((candidate) => line.startsWith(PREFIXES[candidate]))
  if (kind === undefined) {
    throw new ShoalError(
      'CONFIG_INVALID',
      `this is no fleet key: it must be one line that starts with ${Object.values(PREFIXES).join(' or ')}`,
    )
  }
  const encoded = line.slice(PREFIXES[kind].length)
  const bytes = BASE64URL.test(encoded) ? new Uint8Array(Buffer.from(encoded, 'base64url')) : new Uint8Array()
  const length = kind === 'member' ? SECRET_BYTES : SECRET_BYTES + ED25519_BYTES
  if (bytes.length !== length) {
    throw new ShoalError(
      'CONFIG_INVALID',
      `the fleet key is damaged: ${PREFIXES[kind]} must be followed by ${length} bytes in base64url and nothing else`,
    )
  }
  const secret = bytes.slice(0, SECRET_BYTES)
  const second = bytes.slice(SECRET_BYTES)
  switch (kind) {
    case 'cache':
      return cacheKey(secret, second)
    case 'agent':
      return { kind, secret, publicKey: second }
    case 'member':
      return { kind, secret }
  }
}

function cacheKey(secret: Uint8Array, signingSeed: Uint8Array): FleetKey {
  return { kind: 'cache', secret, signingSeed, publicKey: ed25519RawPublicKey(ed25519PrivateKey(signingSeed)) }
}

function wellKnown(purpose: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(`shoal loopback key v1: ${purpose}`).digest())
}

/**
 * What hosts without a key file use. Everyone has it, so it proves nothing: a swarm that runs with it stays on
 * loopback.
 */
export const LOOPBACK_KEY: FleetKey = cacheKey(wellKnown('member secret'), wellKnown('signing seed'))

/** Whether `key` is the one that everyone has, in either form. */
export function isLoopbackKey(key: FleetKey): boolean {
  return Buffer.from(key.secret).equals(LOOPBACK_KEY.secret)
}
