import { readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Enough to look into what went wrong, too few to fill a disk. */
const KEPT = 2
const MARK = '.broken-'

/**
 * Renames a damaged file or directory so that a new one can take its place; returns its new path. The name tells when
 * (UTC), and of those of one origin only the latest two stay. Throws what the file system says.
 */
export async function setAside(path: string, wallMs: number): Promise<string> {
  const prefix = `${basename(path)}${MARK}`
  const earlier = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix)).sort()
  const time = new Date(wallMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  // two in one second must not overwrite each other, and sort in their order
  const last = earlier.findLast((name) => name.startsWith(prefix + time))
  const suffix = last === undefined ? '' : `-${Number(last.slice(prefix.length + time.length + 1)) + 1}`
  const target = join(dirname(path), prefix + time + suffix)
  await rename(path, target)
  for (const name of earlier.slice(0, Math.max(0, earlier.length + 1 - KEPT))) {
    await rm(join(dirname(path), name), { recursive: true, force: true })
  }
  return target
}
