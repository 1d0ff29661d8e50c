import { errorText, ShoalError } from '../base/errors.ts'

/** `more`: what follows from it. */
export function unanswered(regions: readonly string[], cause?: unknown, more = ''): ShoalError {
  const why = cause === undefined ? '' : ` (${errorText(cause)})`
  return new ShoalError('UNAVAILABLE', `no cache of region ${regions.join(', ')} answers${why}${more}; try again`, {
    cause,
  })
}

export function impossible(message: string, cause?: unknown): ShoalError {
  return new ShoalError('PREWARM_IMPOSSIBLE', message, { cause })
}
