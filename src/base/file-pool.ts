import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { isTooManyFiles, ownFileShares, whenFilesAllow } from './open-files.ts'

/** What is done with the content of a file. A `FileHandle` is one. */
export interface ContentFile {
  read(target: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>
  write(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesWritten: number }>
  stat(): Promise<{ readonly size: number; isFile(): boolean }>
  truncate(size: number): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

/** Files that are opened again must be there, as they were. */
const FIRST_TIME = constants.O_CREAT | constants.O_TRUNC | constants.O_EXCL

/**
 * Keeps any number of files open for whoever uses them, with a bounded number of descriptors: beyond it, the file that has
 * not been used for longest gives its own up, and gets one again, by its path, at its next use. So a process that may
 * open few files is slower, but nobody waits for what another holds.
 */
export class FilePool {
  readonly #most: number
  /** With a descriptor that nobody uses now; the longest unused first. */
  readonly #idle = new Set<PooledFile>()
  readonly #waiting = new Set<() => void>()
  #open = 0

  constructor(most = Number.POSITIVE_INFINITY) {
    this.#most = most
  }

  /** Opens a file, as `fs.open` does. */
  async open(path: string, flags: number, mode = 0o600): Promise<PooledFile> {
    const handle = await this.descriptor(path, flags, mode)
    const file = new PooledFile(this, handle, { path, flags: flags & ~FIRST_TIME })
    this.rest(file)
    return file
  }

  /** For the pool's files: a descriptor, counted until `left`. */
  async descriptor(path: string, flags: number, mode?: number): Promise<FileHandle> {
    await this.#makeRoom()
    try {
      return await whenFilesAllow(() => this.#tryOpen(path, flags, mode))
    } catch (error) {
      this.left()
      throw error
    }
  }

  /** For the pool's files: this one's descriptor is not used now. */
  rest(file: PooledFile): void {
    this.#idle.add(file)
    this.#wake()
  }

  /** For the pool's files: this one's descriptor is used. */
  wanted(file: PooledFile): void {
    this.#idle.delete(file)
  }

  /** For the pool's files: a descriptor has been closed. */
  left(): void {
    this.#open--
    this.#wake()
  }

  /** When it is others who have too many open, one of ours gives way all the same. */
  async #tryOpen(path: string, flags: number, mode: number | undefined): Promise<FileHandle> {
    try {
      return await open(path, flags, mode)
    } catch (error) {
      const [longest] = this.#idle
      if (isTooManyFiles(error)) await longest?.letGo()
      throw error
    }
  }

  async #makeRoom(): Promise<void> {
    while (this.#open >= this.#most) {
      const [longest] = this.#idle
      if (longest !== undefined) await longest.letGo()
      else await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
    this.#open++
  }

  #wake(): void {
    const [next] = this.#waiting
    if (next === undefined) return
    this.#waiting.delete(next)
    next()
  }
}

/** A file of a pool. Whoever renames it says so (`moved`); until then its descriptor may go and come. */
export class PooledFile implements ContentFile {
  readonly #pool: FilePool
  readonly #flags: number
  #path: string
  #handle: FileHandle | undefined
  #opening: Promise<FileHandle> | undefined
  #users = 0

  constructor(pool: FilePool, handle: FileHandle, { path, flags }: { readonly path: string; readonly flags: number }) {
    this.#pool = pool
    this.#handle = handle
    this.#path = path
    this.#flags = flags
  }

  /** Does something with the file's descriptor, which is there until it is done. */
  async use<T>(work: (handle: FileHandle) => Promise<T>): Promise<T> {
    this.#users++
    this.#pool.wanted(this)
    try {
      return await work(this.#handle ?? (await this.#reopen()))
    } finally {
      this.#users--
      if (this.#users === 0 && this.#handle !== undefined) this.#pool.rest(this)
    }
  }

  read(target: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }> {
    return this.use((handle) => handle.read(target, offset, length, position))
  }

  write(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }> {
    return this.use((handle) => handle.write(bytes, offset, length, position))
  }

  stat(): Promise<{ readonly size: number; isFile(): boolean }> {
    return this.use((handle) => handle.stat())
  }

  truncate(size: number): Promise<void> {
    return this.use((handle) => handle.truncate(size))
  }

  sync(): Promise<void> {
    return this.use((handle) => handle.sync())
  }

  /** It lies under another name from now on. */
  moved(path: string): void {
    this.#path = path
  }

  /** Gives its descriptor up. Nobody may use the file now or later. */
  async close(): Promise<void> {
    this.#pool.wanted(this)
    await this.letGo()
  }

  /** Gives its descriptor up, until its next use. Only for one that nobody uses now. */
  async letGo(): Promise<void> {
    const handle = this.#handle
    if (handle === undefined) return
    this.#handle = undefined
    this.#pool.wanted(this)
    await handle.close().finally(() => this.#pool.left())
  }

  /** One for all who use the file at the same time. */
  #reopen(): Promise<FileHandle> {
    this.#opening ??= this.#pool
      .descriptor(this.#path, this.#flags)
      .then((handle) => {
        this.#handle = handle
        return handle
      })
      .finally(() => {
        this.#opening = undefined
      })
    return this.#opening
  }
}

let own: FilePool | undefined

/** The pool of this process: its table of open files is one, too. */
export function ownFiles(): FilePool {
  own ??= new FilePool(ownFileShares().content)
  return own
}
