import type { Clock } from './clock.ts'
import { OVERLOADED_MS } from './patience.ts'

const STEP_MS = 250

/** Resolves after `ms`, or rejects with the signal's reason. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const onAbort = (): void => {
      timer[Symbol.dispose]()
      reject(signal?.reason)
    }
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Settles like `promise`, or rejects with the signal's reason if that comes first. The promise itself goes on. */
export function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => {})
    return Promise.reject(signal.reason)
  }
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** The reason of an abort, for people. */
export function abortError(why: string): DOMException {
  return new DOMException(why, 'AbortError')
}

/**
 * Aborts after `ms` in which this process ran: for answers whose lateness is held against somebody. After a stop (a starved
 * machine, a long collection) timers are due before what has come meanwhile is read, so a stop counts for three steps at most.
 */
export function runningLimit(clock: Clock, ms: number): Disposable & { readonly signal: AbortSignal } {
  const abort = new AbortController()
  let left = ms
  let at = clock.now()
  let timer = clock.after(Math.min(left, STEP_MS), step)
  function step(): void {
    left -= Math.min(clock.now() - at, STEP_MS + OVERLOADED_MS)
    at = clock.now()
    if (left > 0) timer = clock.after(Math.min(left, STEP_MS), step)
    else abort.abort(new DOMException(`nothing within ${ms} ms`, 'TimeoutError'))
  }
  return { signal: abort.signal, [Symbol.dispose]: () => timer[Symbol.dispose]() }
}
