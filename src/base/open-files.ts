import { readFileSync } from 'node:fs'

/** Linux's table of this process's limits; proc(5). */
const LIMITS = '/proc/self/limits'
const OPEN_FILES = /^Max open files\s+(\d+|unlimited)/m

/** How many files and sockets this process may have open; Infinity where that is not said. */
export function openFileLimit(path = LIMITS): number {
  try {
    const soft = OPEN_FILES.exec(readFileSync(path, 'utf8'))?.[1]
    return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
