import { execFile } from 'node:child_process'
import { appendFile, mkdir, open, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

export type Harm = (path: string) => Promise<unknown>

/** What can become of a file. */
export const HARMS = {
  'one bit turned over': async (path) => {
    const file = await open(path, 'r+')
    const byte = new Uint8Array(1)
    const at = Math.floor((await file.stat()).size / 2)
    await file.read(byte, 0, 1, at)
    byte[0]! ^= 1
    await file.write(byte, 0, 1, at)
    await file.close()
  },
  zeroed: async (path) => writeFile(path, Buffer.alloc((await stat(path)).size)),
  cut: async (path) => truncate(path, Math.floor((await stat(path)).size / 2)),
  emptied: (path) => truncate(path, 0),
  'longer than it was': (path) => appendFile(path, 'more'),
  deleted: (path) => rm(path),
  'replaced by a directory': async (path) => {
    await rm(path)
    await mkdir(path)
  },
  'replaced by a directory with something in it': async (path) => {
    await rm(path)
    await mkdir(join(path, 'what'), { recursive: true })
    await writeFile(join(path, 'what/is'), 'this')
  },
  'replaced by a FIFO': async (path) => {
    await rm(path)
    await promisify(execFile)('mkfifo', [path])
  },
  'replaced by a link to what it was': async (path) => {
    await rename(path, `${path}.moved`)
    await symlink(`${path}.moved`, path)
  },
  'replaced by a link to itself': async (path) => {
    await rm(path)
    await symlink(path, path)
  },
  'in a directory that is a file now': async (path) => {
    await rm(dirname(path), { recursive: true })
    await writeFile(dirname(path), 'no directory')
  },
  'in a directory that has gone': (path) => rm(dirname(path), { recursive: true }),
} as const satisfies Record<string, Harm>
