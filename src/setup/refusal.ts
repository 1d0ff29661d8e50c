import { ShoalError } from '../base/errors.ts'

/** What is not done to a file because it could break it. `byHand` is the text that a human may put there. */
export function refusal(message: string, byHand?: string): ShoalError {
  const text = byHand === undefined ? message : `${message}; to do by hand:\n${byHand.trimEnd()}`
  return new ShoalError('SETUP_REFUSED', text)
}

export function unreadable(path: string, line: number | undefined, what: string): ShoalError {
  return new ShoalError('CONFIG_INVALID', `${path}${line === undefined ? '' : `:${line}`}: ${what}`)
}

/** Only the version could tell what to write. */
export function versionWanted(program: string, why: string): ShoalError {
  return new ShoalError(
    'CONFIG_INVALID',
    `${why}, and no ${program} here says which version it is: give --runtime-version, such as --runtime-version 2.1`,
  )
}
