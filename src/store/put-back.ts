import { lstat, mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { PooledFile } from '../base/file-pool.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import { isGone, makeDirectoryInPlace, openEmpty, readFully, removeFile, writeFully } from './files.ts'

/** Whether the name `path` still leads to this open file. */
async function isAt(file: PooledFile, path: string): Promise<boolean> {
  try {
    const [named, open] = await Promise.all([lstat(path), file.use((handle) => handle.stat())])
    return named.ino === open.ino && named.dev === open.dev
  } catch (error) {
    if (isGone(error)) return false
    throw error
  }
}

/**
 * Somebody may have deleted an open file, or put something in its place: what it holds is there still, and is written to its
 * place again. Returns the file that lies at `path` then, for the caller to close; undefined when it never left.
 */
export async function putBack(file: PooledFile, path: string, layout: PieceLayout): Promise<PooledFile | undefined> {
  if (await isAt(file, path)) return undefined
  await removeFile(path)
  await mkdir(dirname(dirname(path)), { recursive: true, mode: 0o700 })
  await makeDirectoryInPlace(dirname(path))
  const copy = await openEmpty(path)
  try {
    const buffer = Buffer.allocUnsafe(Math.min(layout.pieceSize, layout.size))
    for (let piece = 0; piece < layout.count; piece++) {
      const bytes = buffer.subarray(0, layout.length(piece))
      await readFully(file, bytes, layout.range(piece).start)
      await writeFully(copy, bytes, layout.range(piece).start)
    }
    return copy
  } catch (error) {
    await copy.close()
    throw error
  }
}
