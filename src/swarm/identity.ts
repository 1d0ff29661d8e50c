import { randomBytes } from 'node:crypto'
import { link, lstat, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import type { Clock } from '../base/clock.ts'
import { errnoCode, isDiskFault } from '../base/errno.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { makeDirectories } from '../base/make-directories.ts'
import { setAside } from '../base/set-aside.ts'
import { readSmallFile } from '../base/small-file.ts'
import { ED25519_BYTES } from '../trust/index.ts'
import { renewHomesSecret } from './homes-secret.ts'
import type { HostFacts } from './host-facts.ts'
import { differingFact, notedFacts, noteFacts, readHostFacts } from './host-facts.ts'

const PREFIX = 'shoal-identity-v1:'
const MAX_FILE_BYTES = 4096

interface IdentityDeps {
  readonly clock: Pick<Clock, 'wall'>
  readonly logger: Logger
  /** For tests; default: what the system says. */
  readonly facts?: ((identityPath: string) => Promise<HostFacts>) | undefined
}

/**
 * This host's own key, from `path`. On the first start the file is made, readable by its owner only; it appears whole
 * or not at all, and of two processes that start at once both use the one that came first. A damaged file is set aside
 * and a new identity made; so is the identity of another host, which a copy of its disk has. On a disk that takes no file the identity is this process's alone. Throws `CONFIG_INVALID`
 * when the path itself is wrong.
 */
export async function loadIdentity(path: string, deps: IdentityDeps): Promise<PrivateKey> {
  try {
    const text = await readIfPresent(path)
    const seed = text === undefined ? undefined : parseSeed(text)
    if (text !== undefined && seed === undefined) {
      const aside = await setAside(path, deps.clock.wall())
      deps.logger.warn({ path, aside }, 'the identity file was damaged: set aside, this host has a new identity')
    }
    const own = seed !== undefined && (await isCopied(path, deps)) ? undefined : seed
    const made = own ?? requireSeed(path, await create(path))
    if (own === undefined || (await notedFacts(path)) === undefined) await note(path, deps)
    return keyOf(made)
  } catch (error) {
    if (!isDiskFault(error)) throw unusable(path, error)
    deps.logger.error(
      { path, err: error },
      'the identity file cannot be kept: this host has another one until its next start',
    )
    return keyOf(randomBytes(ED25519_BYTES))
  }
}

/** Whether there is a file of an identity, good or bad. */
export function hasIdentity(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}

/** Whether the identity was made on another host, or elsewhere on this one. It is set aside then. */
async function isCopied(path: string, deps: IdentityDeps): Promise<boolean> {
  const noted = await notedFacts(path)
  const fact = noted === undefined ? undefined : differingFact(noted, await factsOf(path, deps))
  if (fact === undefined) return false
  const aside = await setAside(path, deps.clock.wall())
  await renewHomesSecret(path)
  deps.logger.warn(
    { path, aside, fact },
    'the identity was made on another host: set aside, this host has a new identity',
  )
  return true
}

/** Without a note a copy is not told apart at its start; the host works all the same. */
async function note(path: string, deps: IdentityDeps): Promise<void> {
  try {
    await noteFacts(path, await factsOf(path, deps))
  } catch (error) {
    deps.logger.warn({ path, err: error }, 'cannot note beside the identity which host it is for')
  }
}

function factsOf(path: string, deps: IdentityDeps): Promise<HostFacts> {
  return (deps.facts ?? readHostFacts)(path)
}

function parseSeed(text: string): Uint8Array | undefined {
  const encoded = text.trim()
  const seed = new Uint8Array(Buffer.from(encoded.slice(PREFIX.length), 'base64url'))
  return encoded.startsWith(PREFIX) && seed.length === ED25519_BYTES ? seed : undefined
}

function requireSeed(path: string, text: string): Uint8Array {
  const seed = parseSeed(text)
  if (seed === undefined) throw new ShoalError('CONFIG_INVALID', `${path} is written by somebody else just now`)
  return seed
}

function keyOf(seed: Uint8Array): Promise<PrivateKey> {
  return generateKeyPairFromSeed('Ed25519', seed)
}

function unusable(path: string, error: unknown): ShoalError {
  if (isShoalError(error)) return error
  return new ShoalError('CONFIG_INVALID', `the identity file ${path} cannot be used: ${errorText(error)}`, {
    cause: error,
  })
}

async function readIfPresent(path: string): Promise<string | undefined> {
  const found = await readSmallFile(path, MAX_FILE_BYTES)
  return found === 'damaged' ? '' : found?.toString('utf8')
}

async function create(path: string): Promise<string> {
  const text = `${PREFIX}${randomBytes(ED25519_BYTES).toString('base64url')}\n`
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`
  try {
    await makeDirectories(dirname(path))
    await writeDurably(temporary, text)
    // A hard link fails when the name is taken, where a rename would overwrite another process's identity.
    await link(temporary, path)
    return text
  } catch (error) {
    const winner = errnoCode(error) === 'EEXIST' ? await readIfPresent(path) : undefined
    if (winner !== undefined) return winner
    throw error
  } finally {
    await rm(temporary, { force: true }).catch(() => {})
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}
