import { InvalidArgumentError } from 'commander'
import { parseSizeBytes } from '../base/quantity.ts'

/** Reads an option that is a number within bounds. */
export function numberBetween(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= least && value <= most))
      throw new InvalidArgumentError(`must be a number from ${least} to ${most}`)
    return value
  }
}

/** Reads an option that is a size, in bytes. */
export function sizeValue(text: string): number {
  const bytes = parseSizeBytes(text)
  if (bytes === undefined || bytes <= 0) throw new InvalidArgumentError('must be a size such as 64MiB')
  return bytes
}
