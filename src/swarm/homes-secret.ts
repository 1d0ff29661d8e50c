import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorText } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'

const SECRET_BYTES = 16
const SECRET = /^[A-Za-z0-9_-]{22}$/

/**
 * What a host ranks by as a home, beside its identity: random, told to members only, so that nobody outside can say which
 * cache is home of what. It belongs to the host, and stays when keys and certificates change. A host that was there before
 * there were such secrets has none, and ranks by its peer id as ever: an upgrade moves no home. To be called before the
 * identity is made. Never rejects: without its secret a host only ranks by its peer id.
 */
export async function loadHomesSecret(identityPath: string, logger: Logger): Promise<string | undefined> {
  const path = `${identityPath}.homes`
  try {
    const known = await readKnown(path)
    if (known !== undefined) return known
    if (await isThere(identityPath)) return undefined
    const secret = randomBytes(SECRET_BYTES).toString('base64url')
    await create(path, secret)
    return await readKnown(path)
  } catch (error) {
    logger.warn({ path, err: errorText(error) }, 'the secret that ranks this host as a home cannot be kept')
    return undefined
  }
}

async function readKnown(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return SECRET.test(text.trim()) ? text.trim() : undefined
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}

/** Whole or not at all; of two processes that start at once both use the one that came first. */
async function create(path: string, secret: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(temporary, `${secret}\n`, { mode: 0o600, flush: true })
    await link(temporary, path).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    })
  } finally {
    await rm(temporary, { force: true })
  }
}
