import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { TestContext } from 'node:test'
import { TempDir } from './temp-dir.ts'

const FILLER = '.filler'

/** Why tests that mount file systems are left out here, or false. */
export const NO_MOUNTS = process.getuid?.() === 0 ? false : 'mounting a file system takes root'

/** A file system of its own under a temporary directory, to be filled, set read-only, frozen or broken. */
export class SmallDisk {
  readonly path: string
  readonly #device: string | undefined
  #frozen = false

  private constructor(path: string, device: string | undefined) {
    this.path = path
    this.#device = device
  }

  /** One in memory. `options` are mount options, such as `size=16m` and `nr_inodes=100`. */
  static async inMemory(t: TestContext, options: string): Promise<SmallDisk> {
    const directory = await TempDir.make()
    const disk = SmallDisk.mountInMemory(join(directory.path, 'disk'), options)
    t.after(async () => {
      disk.unmount()
      await directory[Symbol.asyncDispose]()
    })
    return disk
  }

  /** The same at `path`, until it is unmounted. */
  static mountInMemory(path: string, options: string): SmallDisk {
    mkdirSync(path)
    run('mount', '-t', 'tmpfs', '-o', `${options},mode=0700`, 'tmpfs', path)
    return new SmallDisk(path, undefined)
  }

  unmount(): void {
    run('umount', '-l', this.path)
  }

  /** One that can be frozen and can break, as a disk under ext4. */
  static async onDevice(t: TestContext, mebibytes: number): Promise<SmallDisk> {
    const directory = await TempDir.make()
    const [image, path] = [join(directory.path, 'image'), join(directory.path, 'disk')]
    mkdirSync(path)
    run('truncate', '-s', `${mebibytes}M`, image)
    run('mkfs.ext4', '-q', '-F', image)
    const device = run('losetup', '-f', '--show', image).trim()
    run('mount', '-o', 'errors=remount-ro', device, path)
    const disk = new SmallDisk(path, device)
    t.after(async () => {
      if (disk.#frozen) disk.thaw()
      run('umount', '-l', path)
      run('losetup', '-d', device)
      await directory[Symbol.asyncDispose]()
    })
    return disk
  }

  /** Takes all space that is left. */
  fill(): void {
    const file = openSync(join(this.path, FILLER), 'a')
    try {
      for (let size = 1024 * 1024; size >= 512; ) {
        try {
          if (writeSync(file, Buffer.alloc(size)) < size) size /= 2
        } catch {
          size /= 2
        }
      }
    } finally {
      closeSync(file)
    }
  }

  /** Takes all inodes that are left. */
  fillInodes(): void {
    mkdirSync(join(this.path, FILLER))
    try {
      for (let i = 0; ; i++) writeFileSync(join(this.path, FILLER, `${i}`), '')
    } catch {}
  }

  unfill(): void {
    rmSync(join(this.path, FILLER), { recursive: true, force: true })
  }

  /** While nothing is open for writing on it. */
  setReadOnly(readOnly: boolean): void {
    run('mount', '-o', `remount,${readOnly ? 'ro' : 'rw'}`, this.path)
  }

  /** The file system finds itself damaged and allows no more writes. */
  break(): void {
    writeFileSync(`/sys/fs/ext4/${basename(this.#device ?? '')}/trigger_fs_error`, 'for a test')
  }

  /** Writes hang until it thaws. */
  freeze(): void {
    run('fsfreeze', '-f', this.path)
    this.#frozen = true
  }

  thaw(): void {
    run('fsfreeze', '-u', this.path)
    this.#frozen = false
  }
}

function run(command: string, ...args: string[]): string {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
  return execFileSync(command, args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] })
}
