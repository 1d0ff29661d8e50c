import { sleep } from './abort.ts'
import type { Clock } from './clock.ts'

interface Retries {
  readonly clock: Clock
  /** Before each further attempt. */
  readonly waitsMs: readonly number[]
  readonly signal: AbortSignal
  /** Whether a failure may be over by the next attempt. */
  readonly isPassing: (error: unknown) => boolean
}

/** Repeats what fails in passing. Rejects with the last failure, or with the signal's reason. */
export async function retry<T>(attempt: () => Promise<T>, { clock, waitsMs, signal, isPassing }: Retries): Promise<T> {
  for (const waitMs of waitsMs) {
    try {
      return await attempt()
    } catch (error) {
      signal.throwIfAborted()
      if (!isPassing(error)) throw error
    }
    await sleep(clock, waitMs, signal)
  }
  return await attempt()
}
