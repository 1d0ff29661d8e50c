import { errorText } from '../base/errors.ts'

/** What the user is told of an error: one line per problem, no stack. */
export function errorLines(error: unknown): readonly string[] {
  const isInterrupt = error instanceof Error && error.name === 'AbortError'
  if (isInterrupt) return ['interrupted']
  const text = errorText(error).trim()
  return text === '' ? ['failed, without a reason given'] : text.split('\n')
}
