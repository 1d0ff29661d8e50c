import type { IncomingHttpHeaders } from 'node:http'
import { ShoalError } from '../base/errors.ts'
import type { HttpAnswer } from './http-exchange.ts'

const MAX_RETRY_AFTER_MS = 3_600_000

/** The error an unwanted status stands for. `challenge` in the details is what a client needs to prove itself. */
export function statusError({ status, headers, place, elsewhere }: HttpAnswer): ShoalError {
  if (status === 429 || status === 503) {
    const details = { status, retryAfterMs: retryAfterMs(headers) }
    return new ShoalError('ORIGIN_THROTTLED', `${place} answers ${status} and asks for less`, { details })
  }
  // Storage behind a registry refuses expired links; that says nothing about the credentials.
  if ([401, 403, 451].includes(status) && !elsewhere) {
    const details = { status, challenge: challengeOf(headers) }
    return new ShoalError('ORIGIN_DENIED', `${place} refuses access (${status})`, { details })
  }
  return new ShoalError('ORIGIN_UNREACHABLE', `${place} answers ${status}`, { details: { status } })
}

/** The WWW-Authenticate header as one value; undefined without one. */
export function challengeOf(headers: IncomingHttpHeaders): string | undefined {
  // Sent twice, it arrives as a list, whatever the type says.
  const value: unknown = headers['www-authenticate']
  return Array.isArray(value) ? value.join(', ') : headers['www-authenticate']
}

/** Milliseconds that a Retry-After header asks for (RFC 9110 section 10.2.3); a date counts from the answer's own Date. */
function retryAfterMs(headers: IncomingHttpHeaders): number | undefined {
  const text = headers['retry-after']
  if (text === undefined) return undefined
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.parse(headers.date ?? '')
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, MAX_RETRY_AFTER_MS) : undefined
}
