import { errorText, isShoalError } from '../base/errors.ts'
import type { CallRefusal } from '../swarm/index.ts'
import type { Outcome, Refusal } from './interface.ts'

export function found<T>(value: T): Outcome<T> {
  return { ok: true, value }
}

export function unknown(message: string): Refusal {
  return { ok: false, reason: 'unknown', message }
}

export function unavailable(message: string): Refusal {
  return { ok: false, reason: 'unavailable', message }
}

/** A refusal from the wire, for the door. */
export function refusalOf({ reason, message }: CallRefusal): Refusal {
  return { ok: false, reason, message }
}

/** A refusal of ours, for the wire: a peer is never told to authenticate, its content comes in the fleet's name. */
export function callRefusal({ reason, message }: Refusal): CallRefusal {
  return { kind: 'refused', reason: reason === 'unauthorized' ? 'denied' : reason, message: message.slice(0, 400) }
}

/** What an origin's or a peer's failure means to who asked. Aborts are passed on. */
export function failure(error: unknown, signal: AbortSignal): Refusal {
  signal.throwIfAborted()
  const isUnknown = isShoalError(error, 'ORIGIN_UNKNOWN')
  const reason = isUnknown ? 'unknown' : isShoalError(error, 'ORIGIN_DENIED') ? 'denied' : 'unavailable'
  return { ok: false, reason, message: errorText(error) }
}
