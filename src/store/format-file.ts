import type { Stats } from 'node:fs'
import { lstat, readdir, rename } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { makeDirectories } from '../base/make-directories.ts'
import { setAside } from '../base/set-aside.ts'
import { readSmallFile } from '../base/small-file.ts'
import { isMissing, makeDirectory, openEmpty, storeError, syncDirectory, writeFully } from './files.ts'
import type { StorePaths } from './paths.ts'
import { ALGORITHMS } from './paths.ts'
import { makePrivate } from './private-directory.ts'

const MAX_FORMAT_BYTES = 4096
/** What the file `format` holds. A change of FORMAT.md that older programs would misread needs another number. */
const FORMAT_TEXT = 'shoal-store 1\n'
/**
 * What this program keeps beside a store: it may be there before the store is, where a disk was too full for one. A file system
 * of its own has `lost+found`.
 */
const OWN_NAME =
  /^(?:identity(?:-host)?(?:\..+)?|admin\.(?:sock|token.*)|format\..+|level(?:\..+)?|revocations-.+|\.probe-.+|containerd-hosts|lost\+found)$/
const OTHER_FORMAT = /^shoal-store ([0-9]{1,9})\n$/

export interface FormatDeps {
  readonly clock: Pick<Clock, 'wall'>
  readonly logger: Logger
}

/**
 * Makes the store's directories, or checks that those there are a store of this format; a format file that was lost or
 * damaged is written again, which the answer tells. `isOpen`: this process has it open, whatever is left of it. Throws `STORE_FAILED` for a store of another format and for a directory
 * that holds something else: recovery deletes files it does not know.
 */
export async function prepareDirectory(paths: StorePaths, deps: FormatDeps, isOpen = false): Promise<boolean> {
  try {
    // Blobs of private repositories lie here.
    await makeDirectories(paths.root, 0o700)
    await makePrivate(paths.root, true)
    const found = await readFormat(paths)
    const isDamaged = found !== FORMAT_TEXT && (isOpen || (await isOurs(paths)))
    if (found !== undefined && found !== FORMAT_TEXT && (!isDamaged || OTHER_FORMAT.test(found))) {
      throw otherFormat(paths, found)
    }
    if (isDamaged) {
      if (found !== undefined) await setAside(paths.format, deps.clock.wall())
      deps.logger.warn({ path: paths.format }, 'the format file of the store was lost or damaged: written again')
    }
    if (found !== FORMAT_TEXT) await claim(paths, isDamaged)
    const parts = ['blobs', 'partial'].map((name) => `${paths.root}/${name}`)
    const inner = ALGORITHMS.flatMap((algorithm) => [paths.blobDirectory(algorithm), paths.partialDirectory(algorithm)])
    for (const directory of [...parts, ...inner]) {
      if ((await kindOf(directory))?.isDirectory() === false) {
        await setAside(directory, deps.clock.wall())
        deps.logger.warn(
          { path: directory },
          'what lay where the store keeps blobs is not a directory and was set aside',
        )
      }
      await makeDirectory(directory)
      await makePrivate(directory, false)
    }
    // the index makes its own, if it is not there
    if (await isLink(paths.level)) await setAside(paths.level, deps.clock.wall())
    else if (await isDirectory(paths.level)) await makePrivate(paths.level, false)
    return isDamaged
  } catch (error) {
    throw storeError(error, `the store at ${paths.root} cannot be opened`)
  }
}

async function readFormat(paths: StorePaths): Promise<string | undefined> {
  const found = await readSmallFile(paths.format, MAX_FORMAT_BYTES)
  return found === 'damaged' ? '' : found?.toString('utf8')
}

/** Whether the directory is laid out as only a store is, whatever else of it is lost: others may have put more in it. */
async function isOurs(paths: StorePaths): Promise<boolean> {
  const [algorithm = ''] = ALGORITHMS
  if (!(await isDirectory(paths.blobDirectory(algorithm)))) return false
  return (
    (await isDirectory(paths.partialDirectory(algorithm))) || (await kindOf(`${paths.level}/CURRENT`)) !== undefined
  )
}

async function isDirectory(path: string): Promise<boolean> {
  return (await kindOf(path))?.isDirectory() === true
}

async function isLink(path: string): Promise<boolean> {
  return (await kindOf(path))?.isSymbolicLink() === true
}

async function kindOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function claim(paths: StorePaths, isOurs: boolean): Promise<void> {
  const temporary = `${paths.format}.new`
  const strangers = (await readdir(paths.root)).filter((name) => !OWN_NAME.test(name))
  if (strangers.length > 0 && !isOurs) {
    throw new ShoalError(
      'STORE_FAILED',
      `${paths.root} is not empty and is no store; set store.path to an empty or a new directory`,
      { details: { path: paths.root } },
    )
  }
  const file = await openEmpty(temporary)
  try {
    await writeFully(file, Buffer.from(FORMAT_TEXT), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, paths.format)
  await syncDirectory(paths.root)
}

function otherFormat(paths: StorePaths, found: string): ShoalError {
  const version = OTHER_FORMAT.exec(found)?.[1] ?? 'unknown'
  return new ShoalError(
    'STORE_FAILED',
    `the store at ${paths.root} has format ${version}, this program reads ${FORMAT_TEXT.trim()}: ` +
      'run the program that made it, or delete the directory to start with an empty store',
    { details: { path: paths.root, format: version } },
  )
}
