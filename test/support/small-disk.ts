import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import type { TestContext } from 'node:test'
import { TempDir } from './temp-dir.ts'

const FILLER = '.filler'

/** Why tests that mount file systems are left out here, or false. */
export const NO_MOUNTS = process.getuid?.() === 0 ? false : 'mounting a file system takes root'

interface DiskSize {
  readonly mebibytes: number
  readonly inodes: number
}

const THROTTLES = '/sys/fs/cgroup/blkio'

/** Why tests of devices that hang are left out here, or false. */
export const NO_THROTTLE = NO_MOUNTS === false && !existsSync(THROTTLES) ? 'there are no blkio throttles' : NO_MOUNTS

/** A file system of its own under a temporary directory, to be filled, set read-only, frozen or broken. */
export class SmallDisk {
  readonly path: string
  readonly #device: string | undefined
  readonly #beside: string | undefined
  readonly #throttle: string | undefined
  #frozen = false

  /** `device`: what it is on; `beside`: a mount that its device lies in. */
  private constructor(path: string, device: string | undefined, beside?: string) {
    this.path = path
    this.#device = device
    this.#beside = beside
    this.#throttle = device === undefined ? undefined : join(THROTTLES, `shoal-${process.pid}-${basename(device)}`)
  }

  /** One in memory. `options` are mount options, such as `size=16m` and `nr_inodes=100`. */
  static async inMemory(t: TestContext, options: string): Promise<SmallDisk> {
    const directory = await TempDir.make()
    const path = join(directory.path, 'disk')
    mountTmpfs(path, options)
    const disk = new SmallDisk(path, undefined)
    t.after(async () => {
      disk.unmount()
      await directory[Symbol.asyncDispose]()
    })
    return disk
  }

  /** The same at `path`, until it is unmounted. */
  static mountInMemory(path: string, { mebibytes, inodes }: DiskSize): SmallDisk {
    mountTmpfs(path, `size=${mebibytes}m,nr_inodes=${inodes}`)
    return new SmallDisk(path, undefined)
  }

  /** One that can be frozen, at `path` until it is unmounted: ext4, on a device in memory beside it. */
  static mountOnDevice(path: string, { mebibytes, inodes }: DiskSize): SmallDisk {
    const beside = `${path}.device`
    mountTmpfs(beside, `size=${2 * mebibytes}m`)
    const image = join(beside, 'image')
    run('truncate', '-s', `${mebibytes}M`, image)
    run('mkfs.ext4', '-q', '-F', '-m', '0', '-N', `${inodes}`, image)
    mkdirSync(path)
    // the device goes when the last who sees the mount is gone
    run('mount', '-o', 'loop', image, path)
    return new SmallDisk(path, undefined, beside)
  }

  unmount(): void {
    if (this.#frozen) this.thaw()
    run('umount', '-l', this.path)
    if (this.#beside !== undefined) run('umount', '-l', this.#beside)
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
      disk.#unthrottle()
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

  /** Put before the command of a process whose reads are to hang, too, when the device does. */
  get confined(): readonly string[] {
    if (this.#throttle === undefined) throw new Error('only a device can hang')
    mkdirSync(this.#throttle, { recursive: true })
    return ['sh', '-c', `echo $$ > ${this.#throttle}/cgroup.procs && exec "$@"`, 'sh']
  }

  /**
   * The device answers nothing any more, until this is disposed: writes hang, and what the process confined to it reads and
   * is not in memory. A process that waits for it cannot even be killed.
   */
  hang(): Disposable {
    using stack = new DisposableStack()
    this.freeze()
    stack.defer(() => this.thaw())
    this.#throttleReads(1)
    stack.defer(() => this.#throttleReads(0))
    // what the kernel has read of it stays readable otherwise
    for (const file of readdirSync(this.path, { recursive: true, withFileTypes: true })) {
      if (file.isFile()) run('dd', `if=${join(file.parentPath, file.name)}`, 'iflag=nocache', 'count=0', 'status=none')
    }
    return stack.move()
  }

  #throttleReads(bytesPerSecond: number): void {
    if (this.#throttle === undefined || !existsSync(this.#throttle)) return
    const device = statSync(this.#device ?? '').rdev
    const number = `${device >> 8}:${device & 0xff}`
    writeFileSync(join(this.#throttle, 'blkio.throttle.read_bps_device'), `${number} ${bytesPerSecond}`)
  }

  #unthrottle(): void {
    if (this.#throttle === undefined || !existsSync(this.#throttle)) return
    // what still runs ends later, and where everybody else is
    for (const pid of readFileSync(join(this.#throttle, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean))
      writeFileSync(join(THROTTLES, 'cgroup.procs'), pid)
    rmdirSync(this.#throttle)
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

function mountTmpfs(path: string, options: string): void {
  mkdirSync(path)
  run('mount', '-t', 'tmpfs', '-o', `${options},mode=0700`, 'tmpfs', path)
}

function run(command: string, ...args: string[]): string {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
  return execFileSync(command, args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] })
}
