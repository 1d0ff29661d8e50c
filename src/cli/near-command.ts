import { ShoalError } from '../base/errors.ts'
import { editDistance } from '../config/index.ts'

/**
 * Refuses a bare word that is nearly the name of a command: `prewarm lst` means `prewarm list`, not the image `lst`. An
 * image of that name is reached with its tag. Throws `REFERENCE_INVALID` naming the command.
 */
export function refuseNearCommand(word: string | undefined, commands: readonly string[], parent: string): void {
  if (word === undefined || !/^[A-Za-z-]+$/.test(word)) return
  const near = commands.find((name) => isNear(word.toLowerCase(), name))
  if (near === undefined) return
  throw new ShoalError(
    'REFERENCE_INVALID',
    `"${parent} ${word}" is no command; the nearest is "${parent} ${near}" (for an image of that name, write ${word}:latest)`,
  )
}

/** One slip away (two swapped letters are one), or the name with letters left out. */
function isNear(word: string, name: string): boolean {
  if (word.length < 2) return false
  return editDistance(word, name) <= 1 || isSwapped(word, name) || isShortened(word, name)
}

function isSwapped(word: string, name: string): boolean {
  const at = [...word].findIndex((letter, i) => letter !== name[i])
  const swapped = word.slice(0, at) + (word[at + 1] ?? '') + (word[at] ?? '') + word.slice(at + 2)
  return swapped === name
}

function isShortened(word: string, name: string): boolean {
  if (word[0] !== name[0]) return false
  let at = 0
  for (const letter of name) if (letter === word[at]) at++
  return at === word.length
}
