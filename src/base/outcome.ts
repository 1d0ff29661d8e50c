import type { ErrorCode } from './errors.ts'
import { errorText, isShoalError, ShoalError } from './errors.ts'
import type { SourceLife } from './patience.ts'

/**
 * Why there is no content: what the ladder returns, what peers tell each other, and what HTTP and the command line translate.
 *
 * - `unknown`: the upstream says there is no such thing.
 * - `denied`: the upstream, or a peer, refuses it.
 * - `unavailable`: nobody reachable can give it now.
 */
export interface Refusal {
  readonly kind: 'refused'
  readonly reason: 'unknown' | 'denied' | 'unavailable'
  readonly message: string
  /** What an origin asks of a client that it refused in the client's own name (`access: passthrough`). Never sent to peers. */
  readonly challenge?: string | undefined
  /** With `unavailable`: whoever says so is at work on the answer, and may be asked again for it at once. */
  readonly atWork?: boolean | undefined
  /** With `atWork`: what it knows of the origin that it waits for. */
  readonly source?: SourceLife | undefined
}

/** What was asked for, or why not. Only aborts and programming errors are thrown. */
export type Outcome<T> = T | Refusal

/** A peer takes no longer text. */
const MAX_MESSAGE_LENGTH = 400

export function refused(reason: Refusal['reason'], message: string): Refusal {
  return { kind: 'refused', reason, message: message.slice(0, MAX_MESSAGE_LENGTH) }
}

export function isRefused(outcome: unknown): outcome is Refusal {
  return typeof outcome === 'object' && outcome !== null && 'kind' in outcome && outcome.kind === 'refused'
}

/** What an origin's, a peer's or the disk's failure means to whoever asked. `authorization`: the client's own proof it was asked with. */
export function refusalOf(error: unknown, authorization?: string): Refusal {
  if (isShoalError(error, 'ORIGIN_UNKNOWN')) return refused('unknown', error.message)
  if (!isShoalError(error, 'ORIGIN_DENIED')) return refused('unavailable', errorText(error))
  const { status, challenge } = error.details
  const isAsked = authorization !== undefined && status === 401 && typeof challenge === 'string'
  return isAsked ? { ...refused('denied', error.message), challenge } : refused('denied', error.message)
}

const CODES = {
  unknown: 'ORIGIN_UNKNOWN',
  denied: 'ORIGIN_DENIED',
  unavailable: 'UNAVAILABLE',
} as const satisfies Record<Refusal['reason'], ErrorCode>

/** A refusal as the failure of what cannot go on without the content. `message`: in other words. */
export function errorOf({ reason, message }: Refusal, words = message): ShoalError {
  return new ShoalError(CODES[reason], words)
}
