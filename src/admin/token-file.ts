import { readFile } from 'node:fs/promises'
import { ShoalError } from '../base/errors.ts'

const MIN_TOKEN_CHARS = 16
const MAX_FILE_BYTES = 4096

/** Reads a token from a file: one line of visible characters. Throws `CONFIG_INVALID`, never quoting it. */
export async function readTokenFile(file: string): Promise<string> {
  let text: string
  try {
    text = (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new ShoalError('CONFIG_INVALID', `the token file ${file} cannot be read; check its path and mode`, { cause })
  }
  if (text.length < MIN_TOKEN_CHARS || text.length > MAX_FILE_BYTES || !/^[\x21-\x7e]+$/.test(text)) {
    const help = `one line of at least ${MIN_TOKEN_CHARS} visible characters, as openssl rand -hex 32 makes`
    throw new ShoalError('CONFIG_INVALID', `the token file ${file} must hold ${help}`)
  }
  return text
}
