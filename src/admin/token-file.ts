import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readFile, rename, writeFile } from 'node:fs/promises'
import { systemClock } from '../base/clock.ts'
import { errnoCode } from '../base/errno.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import { setAside } from '../base/set-aside.ts'

const MIN_TOKEN_CHARS = 16
const MAX_FILE_BYTES = 4096
const TOKEN_BYTES = 32
/** Root's and the owner's. */
const PRIVATE = 0o600

/** Reads a token from a file: one line of visible characters. Throws `CONFIG_INVALID`, never quoting it. */
export async function readTokenFile(file: string): Promise<string> {
  let text: string
  try {
    text = (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new ShoalError('CONFIG_INVALID', `the token file ${file} cannot be read; check its path and mode`, { cause })
  }
  if (!isToken(text)) {
    const help = `one line of at least ${MIN_TOKEN_CHARS} visible characters, as openssl rand -hex 32 makes`
    throw new ShoalError('CONFIG_INVALID', `the token file ${file} must hold ${help}`)
  }
  return text
}

/**
 * The agent's own token: what `file` holds, or one made now, readable to its owner alone. A file that holds none (a crash
 * cut it) is replaced. A disk that cannot be written gives a token that only this process knows: `isKept` is false.
 */
export async function ownToken(
  file: string,
): Promise<{ readonly token: string; readonly isKept: boolean; readonly problem?: string }> {
  const known = await readOwn(file).catch(() => '')
  try {
    if (isToken(known.trim())) {
      return { token: known.trim(), isKept: true }
    }
    const token = randomBytes(TOKEN_BYTES).toString('hex')
    const made = `${file}.${process.pid}`
    await writeFile(made, `${token}\n`, { mode: PRIVATE, flag: 'wx' })
    await rename(made, file).catch(async (error: unknown) => {
      if (errnoCode(error) !== 'EISDIR') throw error
      await setAside(file, systemClock.wall())
      await rename(made, file)
    })
    return { token, isKept: true }
  } catch (error) {
    const token = isToken(known.trim()) ? known.trim() : randomBytes(TOKEN_BYTES).toString('hex')
    return { token, isKept: false, problem: errorText(error) }
  }
}

/** Takes rights of others away, and follows no link: the rights of what it points to are not ours to change. */
async function readOwn(file: string): Promise<string> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    await handle.chmod(PRIVATE).catch(() => {})
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

function isToken(text: string): boolean {
  return text.length >= MIN_TOKEN_CHARS && text.length <= MAX_FILE_BYTES && /^[\x21-\x7e]+$/.test(text)
}
