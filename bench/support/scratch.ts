import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MEMORY = '/dev/shm'

/** Names what a run of ours made, so that a later one can tell whose it is. */
export const OWN_PREFIX = 'shoal-bench-'

/** The process a name of ours (`shoal-bench-<pid>-...`) belongs to; undefined when it is none of ours. */
export function ownerOf(name: string): number | undefined {
  const match = /^shoal-bench-(\d+)-/.exec(name)
  return match === null ? undefined : Number(match[1])
}

/** Whether a benchmark, or one of the tests, runs under this pid now. */
export function isRunning(pid: number): boolean {
  try {
    return /(?:bench|test)\//.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
  } catch {
    return false
  }
}

/**
 * A directory for stores and content, in memory when there is room for `bytes`: a benchmark of the network must not wait
 * for a disk.
 */
export async function scratchDirectory(bytes: number): Promise<string> {
  const inMemory = existsSync(MEMORY) && (await freeBytes(MEMORY)) > bytes * 1.2
  return mkdtemp(join(inMemory ? MEMORY : tmpdir(), `${OWN_PREFIX}${process.pid}-`))
}

/** Removes the directories of runs that ended without doing so. */
export async function removeLeftoverDirectories(): Promise<void> {
  for (const parent of [MEMORY, tmpdir()].filter((path) => existsSync(path))) {
    for (const name of readdirSync(parent)) {
      const owner = ownerOf(name)
      if (owner !== undefined && !isRunning(owner)) await rm(join(parent, name), { recursive: true, force: true })
    }
  }
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}
