import { createHash } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import { canonicalBytes } from './canonical.ts'
import type { Trust } from './interface.ts'

/** 120 bytes each: the hashes of the blobs that a region moves at the time. */
const MAX_TRUE = 8_192
/** After this long one is checked again: certificates end and are revoked. */
const TRUE_MS = 60_000

/** Remembers which signatures of caches were found true: all neighbours of a host hand the same ones on. */
export class TrueSignatures {
  readonly #trust: Pick<Trust, 'vouched'>
  readonly #clock: Clock
  #true: ExpiringMap<true>

  constructor(trust: Pick<Trust, 'vouched'>, clock: Clock) {
    this.#trust = trust
    this.#clock = clock
    this.#true = new ExpiringMap(clock, MAX_TRUE)
  }

  /** What is believed has changed: all are checked again. */
  forget(): void {
    this.#true = new ExpiringMap(this.#clock, MAX_TRUE)
  }

  /** As `Trust.vouched`. */
  vouched(statement: Uint8Array, signature: Uint8Array, region: string): boolean {
    const key = createHash('sha256')
      .update(canonicalBytes(region, statement, signature))
      .digest('base64')
    if (this.#true.get(key) === true) return true
    const isTrue = this.#trust.vouched(statement, signature, region)
    if (isTrue) this.#true.set(key, true, TRUE_MS)
    return isTrue
  }
}
