import { raceAbort } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import type { Outcome } from '../base/outcome.ts'
import { isRefused, refused } from '../base/outcome.ts'
import type { SourceLife } from '../base/patience.ts'
import { ANSWER_MS } from '../base/patience.ts'
import type { ClientRef } from '../blob/interface.ts'
import type { RouteContext } from './route-context.ts'

const NOBODY = refused('unknown', 'no configured upstream has this name')
const TOO_LATE = refused('unavailable', 'no answer in time; ask the registry itself')

/** Asks each in turn until one answers anything but `unknown`: a name found late must not hide one that may exist earlier. */
export async function firstKnown<T>(
  candidates: readonly ClientRef[],
  ask: (ref: ClientRef) => Promise<Outcome<T>>,
  foundAt: (ref: ClientRef) => void = () => {},
): Promise<Outcome<T>> {
  let outcome: Outcome<T> = NOBODY
  for (const ref of candidates) {
    outcome = await ask(ref)
    if (!isRefused(outcome)) foundAt(ref)
    if (!isRefused(outcome) || outcome.reason !== 'unknown') return outcome
  }
  return outcome
}

/**
 * What the candidates of a request say, in time. `target`: the tag or digest that an origin may be at work on; `discard` is
 * given what comes too late.
 */
export function outcomeOf<T>(
  { candidates, content, foundAt, clock, client }: RouteContext,
  ask: (ref: ClientRef, signal: AbortSignal) => Promise<Outcome<T>>,
  { target, discard }: { readonly target?: string; readonly discard?: (late: T) => void } = {},
): Promise<Outcome<T>> {
  // of those that may have it, the first of whose origin anything is known
  const life = (): SourceLife | undefined => {
    for (const ref of target === undefined ? [] : candidates) {
      const known = content.lifeOf(ref, target ?? '')
      if (known !== undefined) return known
    }
    return undefined
  }
  const work = (signal: AbortSignal): Promise<Outcome<T>> => firstKnown(candidates, (ref) => ask(ref, signal), foundAt)
  return outcomeInTime(work, clock, client, discard, life)
}

/**
 * The outcome of `work`, or `unavailable` when it takes longer than what is known of the origin allows (`ANSWER_MS`): `life`
 * says what that is, and nothing is as good as `unheard`. Rejects with the reason of `client` when that aborts first. What `work` still yields after either goes to `discard`. The time limit is
 * lifted from the signal once the outcome is there, so that content opened under it is not cut off later.
 */
export async function outcomeInTime<T>(
  work: (signal: AbortSignal) => Promise<Outcome<T>>,
  clock: Clock,
  client: AbortSignal,
  discard: (late: T) => void = () => {},
  life: () => SourceLife | undefined = () => undefined,
): Promise<Outcome<T>> {
  const deadline = new AbortController()
  const end = (): void => deadline.abort(new DOMException(TOO_LATE.message, 'TimeoutError'))
  using timers = new DisposableStack()
  // what is known changes while it is waited for: it is looked at when the next of the limits is reached
  const waitOn = (waitedMs: number): void => {
    const next = Math.min(...Object.values(ANSWER_MS).filter((ms) => ms > waitedMs))
    const look = (): void => {
      if (ANSWER_MS[life() ?? 'unheard'] <= next) end()
      else waitOn(next)
    }
    timers.use(clock.after(next - waitedMs, look))
  }
  waitOn(0)
  const signal = AbortSignal.any([client, deadline.signal])
  const pending = work(signal)
  try {
    return await raceAbort(pending, signal)
  } catch (error) {
    pending.then(
      (late) => isRefused(late) || discard(late),
      () => {},
    )
    client.throwIfAborted()
    if (deadline.signal.aborted) return TOO_LATE
    throw error
  }
}
