import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoCode } from './errno.ts'

/**
 * Makes a directory and what is missing above it. Throws what the file system says. One at a time: Node's own recursive mkdir
 * spins for ever where a directory is there and nothing can be made in it, as below /proc.
 */
export async function makeDirectories(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    const code = errnoCode(error)
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return
    const above = dirname(path)
    if (code !== 'ENOENT' || above === path || (await isThere(above))) throw error
    await makeDirectories(above, mode)
    await makeDirectories(path, mode)
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return false
    throw error
  }
}
