import { chmod, lstat, unlink } from 'node:fs/promises'
import type { RequestListener, Server } from 'node:http'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { errorText, ShoalError } from '../base/errors.ts'

/** What the kernel's `sun_path` holds, without its end. */
const MAX_SOCKET_PATH_BYTES = 107
const OWNER_ONLY = 0o600
const PROBE_MS = 1_000

/**
 * Listens on a unix socket that root and this process's user alone can connect to. A socket that an earlier process left
 * is replaced; anything else in its place, and a socket on which somebody listens, is left alone: `CONFIG_INVALID`.
 */
export async function listenOnSocket(path: string, handle: RequestListener): Promise<Server> {
  await removeStale(path)
  const server = createServer(handle)
  const listening = new Promise<void>((resolve, reject) => {
    server.once('listening', resolve).once('error', reject)
  })
  // The file is made within this call: it never has other rights, not even for a moment.
  const before = process.umask(0o777 & ~OWNER_ONLY)
  try {
    server.listen(path)
  } finally {
    process.umask(before)
  }
  try {
    await listening
    await chmod(path, OWNER_ONLY)
  } catch (cause) {
    server.close()
    throw socketError(path, errorText(cause), cause)
  }
  return server
}

async function removeStale(path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw socketError(path, `is longer than the ${MAX_SOCKET_PATH_BYTES} bytes that a socket's path may have`)
  }
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket()) throw socketError(path, 'is there already and is no socket')
  if (await isServed(path)) throw socketError(path, 'is served by another process; is another agent running?')
  await unlink(path).catch((cause: unknown) => {
    throw socketError(path, errorText(cause), cause)
  })
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path)
    const end = (served: boolean): void => {
      probe.destroy()
      resolve(served)
    }
    probe.setTimeout(PROBE_MS, () => end(true))
    probe.once('connect', () => end(true)).once('error', () => end(false))
  })
}

function socketError(path: string, why: string, cause?: unknown): ShoalError {
  return new ShoalError('CONFIG_INVALID', `admin.socket: ${path}: ${why}`, { cause })
}
