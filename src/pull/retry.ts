import { systemClock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { retry } from '../base/retry.ts'
import { PassingFailure } from './mirror-client.ts'

/** The first try and five more: with the waits between them a restarting agent has some eight seconds to come back. */
const ATTEMPTS = 6
const FIRST_WAIT_MS = 250

/** Repeats `attempt` while it fails in passing, with doubling waits, `attempts` times in all; then throws `UNAVAILABLE`. */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  signal: AbortSignal,
  attempts: number = ATTEMPTS,
): Promise<T> {
  try {
    const waitsMs = Array.from({ length: attempts - 1 }, (_, i) => FIRST_WAIT_MS * 2 ** i)
    return await retry(attempt, {
      clock: systemClock,
      waitsMs,
      signal,
      isPassing: (error) => error instanceof PassingFailure,
    })
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof PassingFailure) throw new ShoalError('UNAVAILABLE', error.message, { cause: error })
    throw error
  }
}
