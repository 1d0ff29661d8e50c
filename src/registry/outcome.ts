import { raceAbort } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { MIRROR_ANSWER_MS } from '../base/patience.ts'
import type { Outcome, Refusal, RepositoryRef } from '../blob/interface.ts'

/** Runtimes give up on headers after 10 to 30 s, some never: after this long a 404 that sends them upstream is better. */
export const OUTCOME_MS = MIRROR_ANSWER_MS

const NOBODY: Refusal = { ok: false, reason: 'unknown', message: 'no configured upstream has this name' }
const TOO_LATE: Refusal = {
  ok: false,
  reason: 'unavailable',
  message: `no answer within ${OUTCOME_MS / 1000} s; ask the registry itself`,
}

/** Asks each in turn until one answers anything but `unknown`: a name found late must not hide one that may exist earlier. */
export async function firstKnown<T>(
  candidates: readonly RepositoryRef[],
  ask: (ref: RepositoryRef) => Promise<Outcome<T>>,
  foundAt: (ref: RepositoryRef) => void = () => {},
): Promise<Outcome<T>> {
  let outcome: Outcome<T> = NOBODY
  for (const ref of candidates) {
    outcome = await ask(ref)
    if (outcome.ok) foundAt(ref)
    if (outcome.ok || outcome.reason !== 'unknown') return outcome
  }
  return outcome
}

/**
 * The outcome of `work`, or `unavailable` when it takes longer than `OUTCOME_MS`. Rejects with the reason of `client`
 * when that aborts first. What `work` still yields after either goes to `discard`. The time limit is lifted from the
 * signal once the outcome is there, so that content opened under it is not cut off later.
 */
export async function outcomeInTime<T>(
  work: (signal: AbortSignal) => Promise<Outcome<T>>,
  clock: Clock,
  client: AbortSignal,
  discard: (late: T) => void = () => {},
): Promise<Outcome<T>> {
  const deadline = new AbortController()
  using _timer = clock.after(OUTCOME_MS, () => deadline.abort(new DOMException(TOO_LATE.message, 'TimeoutError')))
  const signal = AbortSignal.any([client, deadline.signal])
  const pending = work(signal)
  try {
    return await raceAbort(pending, signal)
  } catch (error) {
    pending.then(
      (late) => late.ok && discard(late.value),
      () => {},
    )
    client.throwIfAborted()
    if (deadline.signal.aborted) return TOO_LATE
    throw error
  }
}
