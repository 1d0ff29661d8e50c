import type { ErrorCode } from '../base/errors.ts'
import { ShoalError } from '../base/errors.ts'

/**
 * Best first. A refusal comes before an outage: an outage lets callers fall back on what they remember, which a
 * refused client must not be given.
 */
const RANK: readonly ErrorCode[] = ['ORIGIN_DENIED', 'ORIGIN_THROTTLED', 'ORIGIN_UNREACHABLE', 'ORIGIN_CHANGED']

/** One error for several failed origins: the code and details of the most telling, the words of all. */
export function mostUseful(errors: readonly ShoalError[]): ShoalError {
  const [best, ...others] = [...errors].sort((a, b) => rank(a) - rank(b))
  if (best === undefined) return new ShoalError('ORIGIN_UNREACHABLE', 'no origin is configured')
  if (others.length === 0) return best
  const message = [best, ...others].map((error) => error.message).join('; ')
  return new ShoalError(best.code, message, { details: { ...best.details }, cause: best })
}

function rank(error: ShoalError): number {
  const index = RANK.indexOf(error.code)
  return index < 0 ? RANK.length : index
}
