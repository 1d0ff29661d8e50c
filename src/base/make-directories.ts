import { mkdir } from 'node:fs/promises'
import { errnoCode } from './errno.ts'

/** Makes a directory and what is missing above it. Throws what the file system says. */
export async function makeDirectories(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode })
  } catch (error) {
    // where nothing can be made, several at once say only that the first is missing; one alone says why
    if (errnoCode(error) !== 'ENOENT') throw error
    await mkdir(path, { mode })
  }
}
