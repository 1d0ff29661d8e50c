import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { errnoCode } from './errno.ts'
import { ShoalError } from './errors.ts'

/** Linux's table of this process's limits; proc(5). */
const LIMITS = '/proc/self/limits'
const OPEN_FILES = /^Max open files\s+(\d+|unlimited)/m

/** With fewer no pull is safe: the program itself takes half of them. */
export const LEAST_OPEN_FILES = 64
/** From here on nothing is held back for want of files. */
const PLENTY = 4096
/** Open at rest: event loops and threads, listening sockets, the index, the log. */
const FIXED = 32
/** Open for a moment: look-ups of names, a child's pipes, a directory that is synced, a merge of the index. */
const RESERVE = 6

/** Looked at again this often while this process may open no more, and given up after this long. */
const RETRY_MS = 20
const GIVE_UP_MS = 10_000

/** How many files and sockets this process may have open; Infinity where that is not said. */
export function openFileLimit(path = LIMITS): number {
  try {
    const soft = OPEN_FILES.exec(readFileSync(path, 'utf8'))?.[1]
    return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** Of the files that a process may have open, how many each part may: together, and with the reserve, never more. */
interface FileShares {
  readonly limit: number
  /** Whether anything is held back. */
  readonly isFew: boolean
  /** Content on disk: the store's blobs, origins that are directories. */
  readonly content: number
  /** Connections of runtimes. */
  readonly mirror: number
  /** Connections to the admin server by TCP, and by its local socket: health is answered whatever else is open. */
  readonly admin: number
  readonly adminSocket: number
  /** Connections to registries and buckets. */
  readonly origin: number
  /** Connections to and from other hosts. */
  readonly peers: number
}

/** Divides what a process of `limit` open files has to spare. */
export function shareFiles(limit: number): FileShares {
  const spare = Math.max(0, limit - FIXED - RESERVE)
  const share = (part: number, least: number): number => Math.max(least, Math.floor(spare * part))
  return {
    limit,
    isFew: limit < PLENTY,
    content: share(0.16, 4),
    mirror: share(0.2, 5),
    admin: share(0.08, 3),
    adminSocket: share(0.04, 2),
    origin: share(0.12, 2),
    peers: share(0.4, 10),
  }
}

let own: FileShares | undefined

/** The shares of this process. */
export function ownFileShares(): FileShares {
  own ??= shareFiles(openFileLimit())
  return own
}

/** Throws `CONFIG_INVALID` when this process may open too few files to be of use. */
export function requireOpenFiles({ limit }: FileShares): void {
  if (limit >= LEAST_OPEN_FILES) return
  throw new ShoalError(
    'CONFIG_INVALID',
    `this process may have ${limit} files open, and needs ${LEAST_OPEN_FILES} at least: ` +
      'raise the limit (ulimit -n; LimitNOFILE= of a systemd unit)',
  )
}

/** Whether a call failed because this process, or the machine, has too many files open. */
export function isTooManyFiles(error: unknown): boolean {
  const code = errnoCode(error)
  return code === 'EMFILE' || code === 'ENFILE'
}

/** Makes a call that opens something; while no more can be opened, waits for others to be closed. */
export async function whenFilesAllow<T>(call: () => Promise<T>): Promise<T> {
  for (let waited = 0; ; waited += RETRY_MS) {
    try {
      return await call()
    } catch (error) {
      if (!isTooManyFiles(error) || waited >= GIVE_UP_MS) throw error
      await setTimeout(RETRY_MS)
    }
  }
}
