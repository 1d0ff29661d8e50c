import pRetry from 'p-retry'
import { ShoalError } from '../base/errors.ts'
import { PassingFailure } from './mirror-client.ts'

/** The first try and five more: with the waits between them a restarting agent has some eight seconds to come back. */
export const ATTEMPTS = 6
const FIRST_WAIT_MS = 250

/** Repeats `attempt` while it fails in passing, with doubling waits, `attempts` times in all; then throws `UNAVAILABLE`. */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  signal: AbortSignal,
  attempts: number = ATTEMPTS,
): Promise<T> {
  try {
    return await pRetry(attempt, {
      retries: attempts - 1,
      factor: 2,
      minTimeout: FIRST_WAIT_MS,
      signal,
      shouldRetry: ({ error }) => error instanceof PassingFailure,
    })
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof PassingFailure) throw new ShoalError('UNAVAILABLE', error.message, { cause: error })
    throw error
  }
}
