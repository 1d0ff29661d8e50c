import pRetry from 'p-retry'
import { ShoalError } from '../base/errors.ts'
import { PassingFailure } from './mirror-client.ts'

/** After the first try. With the waits below a restarting agent has some eight seconds to come back. */
const RETRIES = 5
const FIRST_WAIT_MS = 250

/** Repeats `attempt` while it fails in passing, with doubling waits, up to `retries` times; then throws `UNAVAILABLE`. */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  signal: AbortSignal,
  retries: number = RETRIES,
): Promise<T> {
  try {
    return await pRetry(attempt, {
      retries,
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
