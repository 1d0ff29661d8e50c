import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises'
import { ShoalError } from '../base/errors.ts'
import { isMissing, makeDirectory, storeError, syncDirectory, writeFully } from './files.ts'
import type { StorePaths } from './paths.ts'
import { ALGORITHMS } from './paths.ts'

/** What the file `format` holds. A change of FORMAT.md that older programs would misread needs another number. */
export const FORMAT_TEXT = 'shoal-store 1\n'

/**
 * Makes the store's directories, or checks that those there are a store of this format. Throws `STORE_FAILED` for a
 * store of another format and for a directory that holds something else: recovery deletes files it does not know.
 */
export async function prepareDirectory(paths: StorePaths): Promise<void> {
  try {
    // Blobs of private repositories lie here.
    await mkdir(paths.root, { recursive: true, mode: 0o700 })
    const found = await readFormat(paths)
    if (found === undefined) await claim(paths)
    else if (found !== FORMAT_TEXT) throw otherFormat(paths, found)
    for (const part of ['blobs', 'partial']) await makeDirectory(`${paths.root}/${part}`)
    for (const algorithm of ALGORITHMS) {
      await makeDirectory(paths.blobDirectory(algorithm))
      await makeDirectory(paths.partialDirectory(algorithm))
    }
  } catch (error) {
    throw storeError(error, `the store at ${paths.root} cannot be opened`)
  }
}

async function readFormat(paths: StorePaths): Promise<string | undefined> {
  try {
    return await readFile(paths.format, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function claim(paths: StorePaths): Promise<void> {
  const temporary = `${paths.format}.new`
  const strangers = (await readdir(paths.root)).filter((name) => name !== 'format.new' && name !== 'lost+found')
  if (strangers.length > 0) {
    throw new ShoalError(
      'STORE_FAILED',
      `${paths.root} is not empty and is no store; set store.path to an empty or a new directory`,
      { details: { path: paths.root } },
    )
  }
  const file = await open(temporary, 'w')
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
  const version = /^shoal-store ([0-9]{1,9})\n$/.exec(found)?.[1] ?? 'unknown'
  return new ShoalError(
    'STORE_FAILED',
    `the store at ${paths.root} has format ${version}, this program reads ${FORMAT_TEXT.trim()}: ` +
      'run the program that made it, or delete the directory to start with an empty store',
    { details: { path: paths.root, format: version } },
  )
}
