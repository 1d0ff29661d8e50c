import { constants } from 'node:fs'
import { lstat, mkdir, open, rm, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoCode } from '../base/errno.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { ContentFile, PooledFile } from '../base/file-pool.ts'
import { ownFiles } from '../base/file-pool.ts'
import { whenFilesAllow } from '../base/open-files.ts'

/** Opens a file of the store: private to its user, and never what a link in its place points to, nor one that hangs (a FIFO). */
export function openFile(path: string, flags: number): Promise<PooledFile> {
  return ownFiles().open(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK)
}

/** Opens a file to be written whole. */
export function openEmpty(path: string): Promise<PooledFile> {
  return openRegular(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC)
}

/** Opens a file to be written, or makes it, in the place of whatever is there that is no file. */
export function openRegular(path: string, flags: number): Promise<PooledFile> {
  return inPlace(path, async () => {
    const file = await openFile(path, flags)
    if ((await file.stat()).isFile()) return file
    await file.close()
    await removeFile(path)
    return await openFile(path, flags)
  })
}

/** Fills `target` from byte `position` of the file. Throws `STORE_FAILED` when the file ends before. */
export async function readFully(file: ContentFile, target: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < target.length) {
    const { bytesRead } = await file.read(target, done, target.length - done, position + done)
    if (bytesRead === 0) {
      throw new ShoalError('STORE_FAILED', `a stored file ends at byte ${position + done}, before its content does`)
    }
    done += bytesRead
  }
}

/** The same, but false where the disk cannot give the bytes any more: a sector it cannot read, a file that was cut or deleted. */
export async function readIfThere(file: ContentFile, target: Uint8Array, position: number): Promise<boolean> {
  try {
    await readFully(file, target, position)
    return true
  } catch (error) {
    if (isShoalError(error) || errnoCode(error) === 'EIO' || isGone(error) || isNoFile(error)) return false
    throw error
  }
}

/** Writes all of `bytes` at `position`. */
export async function writeFully(file: ContentFile, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

/** Makes the names in a directory durable: a rename survives power loss only after this. */
export async function syncDirectory(path: string): Promise<void> {
  // the store itself may be a link, the operator's own; and nothing is written here
  const directory = await whenFilesAllow(() => open(path, constants.O_RDONLY | constants.O_DIRECTORY))
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Makes `path`, durably, if it is not there. Its parent must exist. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (errnoCode(error) === 'EEXIST') return
    throw error
  }
  await syncDirectory(dirname(path))
}

/** The same, in the place of whatever is there that is no directory. */
export async function makeDirectoryInPlace(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found?.isDirectory() === false) await removeFile(path)
  await makeDirectory(path)
}

/** Deletes what is in the place of a file, be it a directory; that nothing is there is fine. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (isGone(error)) return
    if (errnoCode(error) !== 'EISDIR' && errnoCode(error) !== 'EPERM') throw error
    await rm(path, { recursive: true })
  }
}

/** Runs what opens, makes or moves a file at `path`; when something that is no file stands there, removes it and runs once more. */
export async function inPlace<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isNoFile(error)) throw error
    await removeFile(path)
    return await work()
  }
}

/** Whether a system call failed for want of space, the disk's or a quota's. */
export function isDiskFull(error: unknown): boolean {
  const code = errnoCode(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}

export function isMissing(error: unknown): boolean {
  return errnoCode(error) === 'ENOENT'
}

/** The same when a directory on the way has become something else. */
export function isGone(error: unknown): boolean {
  return isMissing(error) || errnoCode(error) === 'ENOTDIR'
}

/** What a call on a file's path says when a directory, a link or a pipe is there. */
const NO_FILE = new Set(['EISDIR', 'ELOOP', 'ENXIO', 'ENOTEMPTY', 'EEXIST', 'EINVAL'])

/** Whether something other than a file is in the place of one. */
export function isNoFile(error: unknown): boolean {
  return NO_FILE.has(errnoCode(error) ?? '')
}

/** Whether the disk does not take content, which may then pass by it. */
export function isUnstorable(error: unknown): error is ShoalError {
  return isShoalError(error, 'STORE_DISK_FULL', 'STORE_FAILED')
}

/** What a failed system call becomes for callers. Errors of ours pass through. */
export function storeError(error: unknown, doing: string): ShoalError {
  if (isShoalError(error)) return error
  const code = isDiskFull(error) ? 'STORE_DISK_FULL' : 'STORE_FAILED'
  return new ShoalError(code, `${doing}: ${errorText(error)}`, { cause: error })
}
