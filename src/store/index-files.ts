import { readdir, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { systemClock } from '../base/clock.ts'
import { errnoCode } from '../base/errno.ts'
import { setAside } from '../base/set-aside.ts'
import { readSmallFile } from '../base/small-file.ts'
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

/** All of it can be read again. */
export async function clearDamaged(directory: string): Promise<void> {
  await rm(directory + MARK, { force: true }).catch(() => {})
}

/** Closes an index, and opens it again as the first way makes it that all can be read by. Returns which that was. */
export async function mendIndex(level: Level<string, Uint8Array>, directory: string): Promise<IndexWay> {
  for (const way of INDEX_WAYS.slice(1)) {
    await level.close()
    try {
      await prepareIndexFiles(directory, way, systemClock.wall())
      await level.open()
      for await (const _key of level.iterator());
      return way
    } catch (error) {
      if (way === 'anew' || !isIndexDamage(error)) throw error
    }
  }
  throw new Error('unreachable: the last way returns or throws')
}

/** Beside the index while it is opened: how many starts have ended in the middle of that. */
const OPENING = '.opening'
/** This many may be chance (kill -9); more are the index's doing: LevelDB maps its files, and a sector that is lost ends the process. */
const ENDS_BY_CHANCE = 2

/** The ways to try, in order; takes the mark away, and notes that a start is about to try them (`opened` ends that). */
export async function waysToIndex(directory: string): Promise<readonly IndexWay[]> {
  const isMarked = await unlink(directory + MARK).then(
    () => true,
    () => false,
  )
  const noted = await readSmallFile(directory + OPENING, 16).catch(() => undefined)
  const ends = noted === undefined ? 0 : Number.parseInt(noted.toString(), 10) || 0
  await writeFile(directory + OPENING, String(ends + 1)).catch(() => {})
  if (ends > 2 * ENDS_BY_CHANCE) return ['anew']
  return isMarked || ends > ENDS_BY_CHANCE ? INDEX_WAYS.slice(1) : INDEX_WAYS
}

/** The index is open, or the start has ended in good order. */
export async function opened(directory: string): Promise<void> {
  await rm(directory + OPENING, { force: true }).catch(() => {})
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
    const code = errnoCode(cause)
    if (code === 'LEVEL_CORRUPTION') return true
    if (code === 'LEVEL_IO_ERROR')
      return /No such file|Input\/output error|Invalid argument|[Nn]ot a directory|Is a directory/.test(cause.message)
  }
  return false
}
