import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { errnoCode } from './errno.ts'

/**
 * Reads a small file that this program has written. Undefined when there is none; `damaged` when what is there cannot be it: a
 * link (none is followed), a directory, a pipe (none is waited for), more than `maxBytes`. Throws what else the file system says.
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<Buffer | 'damaged' | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const found = await file.stat()
    return found.isFile() && found.size <= maxBytes ? await file.readFile() : 'damaged'
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined
    // a link, or a socket
    if (errnoCode(error) === 'ELOOP' || errnoCode(error) === 'ENXIO') return 'damaged'
    throw error
  }
}
