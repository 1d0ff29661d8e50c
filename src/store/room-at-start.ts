import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { freeSpace } from '../base/free-space.ts'
import type { Logger } from '../base/log.ts'
import type { StorePaths } from './paths.ts'
import { ALGORITHMS } from './paths.ts'

/** What the index needs to open, with a margin. */
const ROOM_BYTES = 16 * 1024 * 1024

/**
 * Deletes blobs of a store whose disk is too full to open it: those being assembled, then those not written to for longest.
 * Returns how many. Throws what the file system says.
 */
export async function makeRoomAtStart(paths: StorePaths, logger: Logger): Promise<number> {
  const files = [
    ...(await filesIn(ALGORITHMS.map((algorithm) => paths.partialDirectory(algorithm)))),
    ...(await filesIn(await shardsOf(paths))),
  ]
  let deleted = 0
  for (const path of files) {
    const { bytes } = await freeSpace(paths.root)
    if (bytes >= ROOM_BYTES && deleted > 0) break
    await rm(path, { force: true })
    deleted++
  }
  if (deleted > 0)
    logger.warn({ path: paths.root, deleted }, 'the disk was full at the start: blobs of the store made room')
  return deleted
}

async function shardsOf(paths: StorePaths): Promise<string[]> {
  const shards: string[] = []
  for (const algorithm of ALGORITHMS) {
    const directory = paths.blobDirectory(algorithm)
    shards.push(...(await namesIn(directory)).map((name) => join(directory, name)))
  }
  return shards
}

/** The files of some directories, the oldest first. */
async function filesIn(directories: readonly string[]): Promise<string[]> {
  const found: { path: string; changedMs: number }[] = []
  for (const directory of directories) {
    for (const name of await namesIn(directory)) {
      const path = join(directory, name)
      const info = await stat(path)
      if (info.isFile()) found.push({ path, changedMs: info.mtimeMs })
    }
  }
  return found.sort((a, b) => a.changedMs - b.changedMs).map(({ path }) => path)
}

async function namesIn(directory: string): Promise<string[]> {
  return await readdir(directory).catch(() => [])
}
