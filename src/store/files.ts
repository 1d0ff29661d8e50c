import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { mkdir, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { errnoCode } from '../base/errno.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'

/** A moment: who has waited in vain does without the disk. */
const FILE_TRIES = 3
const FILE_WAIT_MS = 100

/**
 * Opens a file of the store: private to its user, and never what a link in its place points to. While this process may
 * open no more, waits a moment for others to be closed.
 */
export function openFile(path: string, flags: number): Promise<FileHandle> {
  return openPatiently(path, flags | constants.O_NOFOLLOW)
}

async function openPatiently(path: string, flags: number): Promise<FileHandle> {
  for (let tries = 0; ; tries++) {
    try {
      return await open(path, flags, 0o600)
    } catch (error) {
      const isTooMany = errnoCode(error) === 'EMFILE' || errnoCode(error) === 'ENFILE'
      if (!isTooMany || tries === FILE_TRIES) throw error
      await setTimeout(FILE_WAIT_MS)
    }
  }
}

/** Opens a file to be written whole. */
export function openEmpty(path: string): Promise<FileHandle> {
  return openFile(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC)
}

/** Fills `target` from byte `position` of the file. Throws `STORE_FAILED` when the file ends before. */
export async function readFully(file: FileHandle, target: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < target.length) {
    const { bytesRead } = await file.read(target, done, target.length - done, position + done)
    if (bytesRead === 0) {
      throw new ShoalError('STORE_FAILED', `a stored file ends at byte ${position + done}, before its content does`)
    }
    done += bytesRead
  }
}

/** The same, but false where the disk cannot give the bytes any more: a sector it cannot read, a file that was cut. */
export async function readIfThere(file: FileHandle, target: Uint8Array, position: number): Promise<boolean> {
  try {
    await readFully(file, target, position)
    return true
  } catch (error) {
    if (isShoalError(error) || errnoCode(error) === 'EIO') return false
    throw error
  }
}

/** Writes all of `bytes` at `position`. */
export async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

/** Makes the names in a directory durable: a rename survives power loss only after this. */
export async function syncDirectory(path: string): Promise<void> {
  // the store itself may be a link, the operator's own; and nothing is written here
  const directory = await openPatiently(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Makes `path`, durably. Its parent must exist. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (errnoCode(error) === 'EEXIST') return
    throw error
  }
  await syncDirectory(dirname(path))
}

/** Deletes a file; that it is not there is fine. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') throw error
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

/** What a failed system call becomes for callers. Errors of ours pass through. */
export function storeError(error: unknown, doing: string): ShoalError {
  if (isShoalError(error)) return error
  const code = isDiskFull(error) ? 'STORE_DISK_FULL' : 'STORE_FAILED'
  return new ShoalError(code, `${doing}: ${errorText(error)}`, { cause: error })
}
