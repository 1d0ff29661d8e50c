import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { errorText, ShoalError } from '../base/errors.ts'
import { ED25519_BYTES } from '../trust/index.ts'

const PREFIX = 'shoal-identity-v1:'

/**
 * This host's own key, from `path`. On the first start the file is made, readable by its owner only; it appears whole
 * or not at all, and of two processes that start at once both use the one that came first. Throws `CONFIG_INVALID`.
 */
export async function loadIdentity(path: string): Promise<PrivateKey> {
  const text = (await readIfPresent(path)) ?? (await create(path))
  const encoded = text.trim()
  const seed = new Uint8Array(Buffer.from(encoded.slice(PREFIX.length), 'base64url'))
  if (!encoded.startsWith(PREFIX) || seed.length !== ED25519_BYTES) {
    throw new ShoalError('CONFIG_INVALID', `${path} is no identity file of this program: move it away to get a new one`)
  }
  return generateKeyPairFromSeed('Ed25519', seed)
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw new ShoalError('CONFIG_INVALID', `cannot read the identity file ${path}: ${errorText(error)}`, {
      cause: error,
    })
  }
}

async function create(path: string): Promise<string> {
  const text = `${PREFIX}${randomBytes(ED25519_BYTES).toString('base64url')}\n`
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeDurably(temporary, text)
    // A hard link fails when the name is taken, where a rename would overwrite another process's identity.
    await link(temporary, path)
    return text
  } catch (error) {
    const winner = hasCode(error, 'EEXIST') ? await readIfPresent(path) : undefined
    if (winner !== undefined) return winner
    throw new ShoalError('CONFIG_INVALID', `cannot create the identity file ${path}: ${errorText(error)}`, {
      cause: error,
    })
  } finally {
    await rm(temporary, { force: true })
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

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
