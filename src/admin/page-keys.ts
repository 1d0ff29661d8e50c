import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'

/** A link that has been printed is opened soon, or not at all. */
export const LINK_MS = 10 * 60_000
/** A working day: whoever watches a rollout need not come back for another link. */
const KEY_MS = 12 * 3_600_000
/** Of each kind; the oldest goes for another. */
const MOST = 64
const SECRET_BYTES = 32

/**
 * How a browser, which has no token to send, becomes this host's own: whoever may ask for it gets a code for one use, and the
 * page trades that for a key that lets it look and change nothing. Both end with the process.
 */
export class PageKeys {
  /** By their hashes: how long a look-up takes says nothing about a secret. */
  readonly #codes: ExpiringMap<true>
  readonly #keys: ExpiringMap<true>

  constructor(clock: Pick<Clock, 'now'>) {
    this.#codes = new ExpiringMap(clock, MOST)
    this.#keys = new ExpiringMap(clock, MOST)
  }

  newCode(): string {
    return add(this.#codes, LINK_MS)
  }

  /** A key for a code that has not been used; undefined for any other text. */
  redeem(code: string): string | undefined {
    const hash = sha256(code)
    const isGood = this.#codes.get(hash) === true
    this.#codes.delete(hash)
    return isGood ? add(this.#keys, KEY_MS) : undefined
  }

  accepts(key: string): boolean {
    return this.#keys.get(sha256(key)) === true
  }
}

function add(to: ExpiringMap<true>, lifeMs: number): string {
  const secret = randomBytes(SECRET_BYTES).toString('base64url')
  to.set(sha256(secret), true, lifeMs)
  return secret
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
