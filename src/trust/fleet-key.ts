import { createHash, randomBytes } from 'node:crypto'
import { ShoalError } from '../base/errors.ts'
import { ED25519_BYTES, ed25519PrivateKey, ed25519RawPublicKey } from './ed25519.ts'

const SECRET_BYTES = 32
const CACHE_PREFIX = 'shoal-cache-key-v1:'
const AGENT_PREFIX = 'shoal-agent-key-v1:'
const BASE64URL = /^[A-Za-z0-9_-]+$/

/**
 * What makes a host a member. The cache form also holds the private half of the fleet's signing key, so that its
 * holder may claim `role: cache` and vouch for piece hashes; the agent form can only check both.
 */
export type FleetKey =
  | {
      readonly kind: 'cache'
      readonly secret: Uint8Array
      readonly signingSeed: Uint8Array
      readonly publicKey: Uint8Array
    }
  | { readonly kind: 'agent'; readonly secret: Uint8Array; readonly publicKey: Uint8Array }

/** A new key for a new fleet, in the form for its caches. */
export function generateFleetKey(): FleetKey {
  return cacheKey(new Uint8Array(randomBytes(SECRET_BYTES)), new Uint8Array(randomBytes(ED25519_BYTES)))
}

/** The form for hosts that are no caches: it proves membership, and cannot vouch. */
export function agentKeyOf(key: FleetKey): FleetKey {
  return { kind: 'agent', secret: key.secret, publicKey: key.publicKey }
}

/** One line without its end: `shoal-cache-key-v1:` or `shoal-agent-key-v1:`, and the 64 bytes in base64url. */
export function formatFleetKey(key: FleetKey): string {
  const [prefix, second] = key.kind === 'cache' ? [CACHE_PREFIX, key.signingSeed] : [AGENT_PREFIX, key.publicKey]
  return prefix + Buffer.concat([key.secret, second]).toString('base64url')
}

/** Reads what formatFleetKey wrote; white space around it does not matter. Throws `CONFIG_INVALID`, never quoting the key. */
export function parseFleetKey(text: string): FleetKey {
  const line = text.trim()
  const prefix = [CACHE_PREFIX, AGENT_PREFIX].find((candidate) => line.startsWith(candidate))
  if (prefix === undefined) {
    throw new ShoalError(
      'CONFIG_INVALID',
      `this is no fleet key: it must be one line that starts with ${CACHE_PREFIX} or ${AGENT_PREFIX}`,
    )
  }
  const encoded = line.slice(prefix.length)
  const bytes = BASE64URL.test(encoded) ? new Uint8Array(Buffer.from(encoded, 'base64url')) : new Uint8Array()
  if (bytes.length !== SECRET_BYTES + ED25519_BYTES) {
    throw new ShoalError(
      'CONFIG_INVALID',
      `the fleet key is damaged: ${prefix} must be followed by ${SECRET_BYTES + ED25519_BYTES} bytes in base64url and nothing else`,
    )
  }
  const secret = bytes.slice(0, SECRET_BYTES)
  const second = bytes.slice(SECRET_BYTES)
  return prefix === CACHE_PREFIX ? cacheKey(secret, second) : { kind: 'agent', secret, publicKey: second }
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
