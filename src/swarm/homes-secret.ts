import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, open, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { errnoCode } from '../base/errno.ts'
import type { Logger } from '../base/log.ts'
import { makeDirectories } from '../base/make-directories.ts'
import { setAside } from '../base/set-aside.ts'

const SECRET_BYTES = 16
const SECRET = /^[A-Za-z0-9_-]{22}$/
const MAX_FILE_BYTES = 64
const OTHERS = 0o077

interface HomesSecretDeps {
  readonly clock: Pick<Clock, 'wall'>
  readonly logger: Logger
}

/**
 * What a host ranks by as a home, beside its identity: random, told to members only, so that nobody outside can say which
 * cache is home of what. It belongs to the host, and stays when keys and certificates change. `isNew`: there was no identity
 * before this start; a host that had one before there were such secrets ranks by its peer id as ever, so that an upgrade moves
 * no home. A file that others may read, or that holds no secret, is set aside and a new one made, which moves homes once.
 * Never rejects: without its secret a host only ranks by its peer id.
 */
export async function loadHomesSecret(
  identityPath: string,
  isNew: boolean,
  deps: HomesSecretDeps,
): Promise<string | undefined> {
  const path = homesPath(identityPath)
  try {
    const known = await readSecret(path)
    if (typeof known === 'string') return known
    if (known !== undefined) {
      const aside = await setAside(path, deps.clock.wall())
      deps.logger.warn(
        { path, aside },
        `the secret that ranks this host as a home ${known.problem}: set aside, there is a new one`,
      )
    } else if (!isNew) return undefined
    await create(path)
    const made = await readSecret(path)
    return typeof made === 'string' ? made : undefined
  } catch (error) {
    deps.logger.warn({ path, err: error }, 'the secret that ranks this host as a home cannot be kept')
    return undefined
  }
}

/** Another secret for a copy of a host's disk: of two with one secret the same would always be asked first. */
export async function renewHomesSecret(identityPath: string): Promise<void> {
  await rm(homesPath(identityPath), { force: true })
  await create(homesPath(identityPath))
}

function homesPath(identityPath: string): string {
  return `${identityPath}.homes`
}

/** Undefined when there is no file. */
async function readSecret(path: string): Promise<string | { readonly problem: string } | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const { mode, size } = await file.stat()
    if ((mode & constants.S_IFMT) !== constants.S_IFREG || size > MAX_FILE_BYTES) return { problem: 'is no such file' }
    if ((mode & OTHERS) !== 0) return { problem: 'could be read by others' }
    const text = (await file.readFile('utf8')).trim()
    return SECRET.test(text) ? text : { problem: 'was damaged' }
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined
    if (errnoCode(error) === 'ELOOP') return { problem: 'is a link' }
    throw error
  }
}

/** Whole or not at all; of two processes that start at once both use the one that came first. */
async function create(path: string): Promise<void> {
  const secret = randomBytes(SECRET_BYTES).toString('base64url')
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await makeDirectories(dirname(path))
    await writeFile(temporary, `${secret}\n`, { mode: 0o600, flush: true })
    await link(temporary, path).catch((error: unknown) => {
      if (errnoCode(error) !== 'EEXIST') throw error
    })
  } finally {
    await rm(temporary, { force: true })
  }
}
