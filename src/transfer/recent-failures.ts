import type { Clock } from '../base/clock.ts'
import type { ShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'

const REMEMBER_MS = 3_000
const MAX_REMEMBERED = 1_024

interface Failure {
  readonly error: ShoalError
  readonly until: number
}

/**
 * Blobs this host has just failed to get. For a few seconds whoever asks is told at once, instead of starting what
 * has just failed for everybody else.
 */
export class RecentFailures {
  readonly #clock: Clock
  readonly #failures = new Map<Digest, Failure>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(digest: Digest, error: ShoalError): void {
    this.#failures.delete(digest)
    this.#failures.set(digest, { error, until: this.#clock.now() + REMEMBER_MS })
    const oldest = this.#failures.keys().next().value
    if (this.#failures.size > MAX_REMEMBERED && oldest !== undefined) this.#failures.delete(oldest)
  }

  find(digest: Digest): ShoalError | undefined {
    const failure = this.#failures.get(digest)
    if (failure !== undefined && failure.until > this.#clock.now()) return failure.error
    this.#failures.delete(digest)
    return undefined
  }
}
