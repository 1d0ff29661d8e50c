import { abortError } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'

interface InTurn<O> {
  readonly clock: Clock
  /** After this long without an answer the next is asked as well. */
  readonly patienceMs: number
  /** Told of each that had no answer yet when another one had. */
  readonly outrun: (one: O) => void
  readonly signal: AbortSignal
}

/**
 * Asks one after the other until one has an answer; the next also when the one before it takes long, so that one that
 * hangs does not hide those behind it. The signals of those that are not needed any more abort. Undefined when none has
 * an answer; rejects as soon as one does.
 */
export async function firstInTurn<O, T>(
  ones: readonly O[],
  ask: (one: O, signal: AbortSignal) => Promise<T | undefined>,
  { clock, patienceMs, outrun, signal }: InTurn<O>,
): Promise<T | undefined> {
  const outcome = Promise.withResolvers<T | undefined>()
  const asked = new Map<O, AbortController>()
  const left = [...ones]
  let timer: Disposable | undefined
  let settled = false
  const settle = (winner: O | undefined, answer: Promise<T | undefined> | T | undefined): void => {
    settled = true
    outcome.resolve(answer)
    const needless = abortError('another has answered')
    for (const [one, controller] of asked) {
      if (one === winner) continue
      if (winner !== undefined) outrun(one)
      controller.abort(needless)
    }
  }
  const next = (): void => {
    timer?.[Symbol.dispose]()
    const one = left.shift()
    if (one === undefined || settled) return
    const controller = new AbortController()
    asked.set(one, controller)
    ask(one, AbortSignal.any([signal, controller.signal])).then(
      (answer) => {
        if (settled) return
        if (answer !== undefined) return settle(one, answer)
        asked.delete(one)
        if (asked.size === 0 && left.length === 0) settle(undefined, undefined)
        else next()
      },
      (error: unknown) => {
        if (!settled) settle(undefined, Promise.reject(error))
      },
    )
    if (left.length > 0) timer = clock.after(patienceMs, next)
  }
  if (left.length === 0) return undefined
  next()
  try {
    return await outcome.promise
  } finally {
    timer?.[Symbol.dispose]()
  }
}
