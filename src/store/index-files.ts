import { readdir, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { errnoCode } from '../base/errno.ts'
import { setAside } from '../base/set-aside.ts'
import { isMissing } from './files.ts'

/** Ways to an index that can be read. Each loses more than the one before. */
const INDEX_WAYS = ['as it is', 'repaired', 'anew'] as const
export type IndexWay = (typeof INDEX_WAYS)[number]

/** Beside the index: its presence says that damage was met while it was open. */
const MARK = '.damaged'

/** Has the next start repair the index first. Best effort: without the mark it finds most damage by itself. */
export async function markDamaged(directory: string): Promise<void> {
  await writeFile(directory + MARK, '').catch(() => {})
}

/** The ways to try, in order; takes the mark away. */
export async function waysToIndex(directory: string): Promise<readonly IndexWay[]> {
  try {
    await unlink(directory + MARK)
    return INDEX_WAYS.slice(1)
  } catch {
    return INDEX_WAYS
  }
}

/** Where LevelDB's repair leaves what it could not read, below the index. */
const LOST = 'lost'

/** `level` is `classic-level` here, and does not tell its types of this method. */
const { repair } = Level as unknown as { readonly repair: (location: string) => Promise<void> }

/** Makes the files of the index ready for being opened in this way. */
export async function prepareIndexFiles(directory: string, way: IndexWay, wallMs: number): Promise<void> {
  switch (way) {
    case 'as it is':
      return
    case 'repaired':
      // what an earlier repair left would gather for ever
      await rm(join(directory, LOST), { recursive: true, force: true }).catch(() => {})
      await repair(directory)
      return
    case 'anew':
      try {
        await setAside(directory, wallMs)
      } catch (error) {
        if (!isMissing(error)) throw error
      }
      return
    default:
      way satisfies never
  }
}

/** Whether it is no directory, or there is content without the file that leads to it: LevelDB would begin anew beside it, and delete it. */
export async function lacksEntrance(directory: string): Promise<boolean> {
  try {
    const names = await readdir(directory)
    return !names.includes('CURRENT') && names.some((name) => /\.(?:ldb|log)$|^MANIFEST-/.test(name))
  } catch (error) {
    if (isMissing(error)) return false
    if (errnoCode(error) === 'ENOTDIR') return true
    throw error
  }
}

/** Whether an error of the index, ours or LevelDB's, says that its files are damaged. */
export function isIndexDamage(error: unknown): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause ? cause.code : undefined
    if (code === 'LEVEL_CORRUPTION') return true
    if (code === 'LEVEL_IO_ERROR')
      return /No such file|Input\/output error|Invalid argument|[Nn]ot a directory|Is a directory/.test(cause.message)
  }
  return false
}
