import { statfs } from 'node:fs/promises'

export interface FreeSpace {
  readonly totalBytes: number
  /** What processes without special rights may still write. */
  readonly bytes: number
  readonly files: number
  /** 0 where the file system makes files as they are needed. */
  readonly totalFiles: number
}

/** What is left of the file system that `path` lies on. Throws what it says. */
export async function freeSpace(path: string): Promise<FreeSpace> {
  const { bavail, bsize, blocks, ffree, files } = await statfs(path)
  return { totalBytes: blocks * bsize, bytes: bavail * bsize, files: ffree, totalFiles: files }
}
