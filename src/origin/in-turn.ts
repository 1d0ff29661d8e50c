import { abortError, sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import type { ErrorCode } from '../base/errors.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { NEXT_ORIGIN_MS } from '../base/patience.ts'
import { mostUseful } from './chain-error.ts'
import type { Origin } from './interface.ts'
import type { OriginHealth, OriginLoad } from './origin-health.ts'
import type { OriginTroubles } from './origin-trouble.ts'
import type { QuestionsUnderWay } from './questions-under-way.ts'

/** No other origin would take it either. */
const BAD_INPUT: readonly ErrorCode[] = ['NAME_INVALID', 'REFERENCE_INVALID', 'DIGEST_INVALID']

/** Whoever says that it is overloaded is asked again after these waits; a few words are then there for most. */
const AGAIN_AFTER_MS = [300, 900]
const OVERLOADED: readonly unknown[] = [429, 502, 503, 504]

/** In whose name an origin is asked, and until when. */
export interface OriginAsker {
  readonly signal: AbortSignal
  readonly authorization?: string | undefined
  /** What origins count separately: reads of blobs, and all others. */
  readonly kind: OriginLoad
  /** Whether to ask again, a few times, while all are merely overloaded. */
  readonly patient?: boolean
}

/** An answer, or undefined for "not here": then the next origin may have it. */
type Ask<T> = (origin: Origin, signal: AbortSignal) => Promise<T | undefined>

interface OriginsInTurnDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly health: OriginHealth
  readonly troubles: OriginTroubles
  readonly underWay: QuestionsUnderWay
}

/** Asks origins one after the other, and remembers of each how it answered. */
export class OriginsInTurn {
  readonly #deps: OriginsInTurnDeps

  constructor(deps: OriginsInTurnDeps) {
    this.#deps = deps
  }

  /** The first answer. Undefined when none has one; throws the most useful failure when any failed. */
  async first<T>(origins: readonly Origin[], asker: OriginAsker, ask: Ask<T>): Promise<T | undefined> {
    for (const wait of asker.patient === true ? AGAIN_AFTER_MS : []) {
      try {
        return await this.#once(origins, asker, ask)
      } catch (error) {
        if (!isOverload(error)) throw error
        await sleep(this.#deps.clock, wait, asker.signal)
      }
    }
    return this.#once(origins, asker, ask)
  }

  /** Remembers a failure that the next origin may make good; rethrows aborts, bad input and bugs. */
  failure(origin: Origin, error: unknown, { signal, authorization, kind }: OriginAsker): ShoalError {
    const { health, troubles, underWay, logger } = this.#deps
    signal.throwIfAborted()
    if (!(error instanceof ShoalError) || BAD_INPUT.includes(error.code)) throw error
    if (error.details.leftAlone === true) return error
    if (error.details.status !== undefined) underWay.heard()
    health.failed(origin, error, kind)
    // what a client's own proof is refused says nothing about the origin
    if (!authorization || error.code !== 'ORIGIN_DENIED') troubles.failed(origin, error)
    logger.debug({ origin: origin.label, code: error.code, err: error }, 'origin failed')
    return error
  }

  async #once<T>(origins: readonly Origin[], asker: OriginAsker, ask: Ask<T>): Promise<T | undefined> {
    const { clock, health, troubles, underWay } = this.#deps
    const errors: ShoalError[] = []
    const askOne = async (origin: Origin, signal: AbortSignal): Promise<T | undefined> => {
      try {
        health.leftAlone(origin, asker.kind)
        const askedAt = clock.now()
        const answer = await ask(origin, signal)
        underWay.answered(askedAt)
        health.succeeded(origin)
        troubles.succeeded(origin)
        return answer
      } catch (error) {
        signal.throwIfAborted()
        errors.push(this.failure(origin, error, asker))
        return undefined
      }
    }
    const outrun = (origin: Origin): void => health.outrun(origin)
    const inTurn = { clock, patienceMs: NEXT_ORIGIN_MS, outrun, signal: asker.signal }
    const answer = await firstInTurn(health.order(origins), askOne, inTurn)
    if (answer === undefined && errors.length > 0) throw mostUseful(errors)
    return answer
  }
}

/** Whether an origin has said that it cannot now, and not until when. */
function isOverload(error: unknown): boolean {
  if (!isShoalError(error, 'ORIGIN_THROTTLED', 'ORIGIN_UNREACHABLE')) return false
  return OVERLOADED.includes(error.details.status) && !error.details.retryAfterMs
}

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
async function firstInTurn<O, T>(
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
