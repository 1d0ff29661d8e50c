import type { Dirent } from 'node:fs'
import { constants } from 'node:fs'
import { readdir, realpath } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { errnoCode } from '../base/errno.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import type { PooledFile } from '../base/file-pool.ts'
import { ownFiles } from '../base/file-pool.ts'
import type { Logger } from '../base/log.ts'
import { whenFilesAllow } from '../base/open-files.ts'
import { ROOT } from './distribution-layout.ts'
import type {
  FolderPage,
  FolderQuery,
  ObjectRangeQuery,
  ObjectReader,
  SmallObject,
  SmallObjectQuery,
} from './object-reader.ts'

const READ_BYTES = 256 * 1024
/** O_NONBLOCK: opening a FIFO somebody put there must not hang. O_NOFOLLOW: the path was resolved just before. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Files below one directory. Symbolic links are followed only while they stay below it. */
export class DirectoryReader implements ObjectReader {
  readonly kind = 'directory'
  readonly label: string
  readonly #root: string
  readonly #logger: Logger
  #warned = false
  /** A directory that was there and is not any more has been unmounted or lost: it does not say "no such tag". */
  #seen = false

  constructor(path: string, logger: Logger) {
    this.label = `directory ${path}`
    this.#root = resolve(path)
    this.#logger = logger
  }

  async small(path: string, query: SmallObjectQuery): Promise<SmallObject | 'unchanged' | 'too large' | undefined> {
    return this.#withFile(path, query.signal, async (file) => {
      const { size, mtimeNs, ino } = await file.use((handle) => handle.stat({ bigint: true }))
      const etag = `${mtimeNs}-${size}-${ino}`
      if (etag === query.etag) return 'unchanged'
      if (size > query.maxBytes) return 'too large'
      const buffer = Buffer.allocUnsafe(Number(size))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
      return { bytes: buffer.subarray(0, bytesRead), etag }
    })
  }

  size(path: string, signal: AbortSignal): Promise<number | undefined> {
    return this.#withFile(path, signal, async (file) => (await file.stat()).size)
  }

  async range(path: string, query: ObjectRangeQuery): Promise<AsyncIterable<Uint8Array> | undefined> {
    const actual = await this.size(path, query.signal)
    if (actual === undefined) return undefined
    if (actual !== query.size) throw this.#changed(`${path} has ${actual} bytes where ${query.size} were expected`)
    // The file is opened when reading starts, so that a reader who never starts leaves nothing open.
    return this.#chunks(path, query)
  }

  async folders(path: string, { after, limit, signal }: FolderQuery): Promise<FolderPage | undefined> {
    signal.throwIfAborted()
    const real = await this.#resolve(path)
    if (real === undefined) return undefined
    const entries = await this.#guard(
      path,
      (): Promise<Dirent[]> => whenFilesAllow(() => readdir(real, { withFileTypes: true })),
    )
    const folders = entries?.filter((entry) => entry.isDirectory()) ?? []
    if (folders.length === 0) return undefined
    const names = folders.map((entry) => entry.name).filter((name) => after === undefined || name > after)
    names.sort((a, b) => (a < b ? -1 : 1))
    return { names: names.slice(0, limit), more: names.length > limit }
  }

  async misplaced(signal: AbortSignal): Promise<string | undefined> {
    signal.throwIfAborted()
    const real = await this.#guard('.', () => whenFilesAllow(() => realpath(this.#root)))
    const names = real === undefined ? undefined : await this.#guard('.', () => whenFilesAllow(() => readdir(real)))
    if (names === undefined || names.length === 0 || names.includes(ROOT.split('/', 1)[0]!)) return undefined
    if (names.includes('oci-layout')) return 'is an OCI image layout; use kind: layout'
    if (names.includes('repositories') || names.includes('registry') || names.includes('v2'))
      return `is a folder inside a registry's; name the one that holds ${ROOT}`
    return `holds no ${ROOT}; name a registry's rootdirectory`
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async *#chunks(path: string, { range, signal }: ObjectRangeQuery): AsyncIterable<Uint8Array> {
    const file = await this.#open(path)
    if (file === undefined) throw this.#changed(`${path} has gone`)
    try {
      let at = range.start
      while (at < range.end) {
        signal.throwIfAborted()
        const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, range.end - at))
        const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
        if (bytesRead === 0) throw this.#changed(`${path} became shorter while it was read`)
        at += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
    } catch (error) {
      throw error instanceof ShoalError || signal.aborted ? error : this.#failed(path, error)
    } finally {
      await file.close()
    }
  }

  async #withFile<T>(path: string, signal: AbortSignal, use: (file: PooledFile) => Promise<T>): Promise<T | undefined> {
    signal.throwIfAborted()
    const file = await this.#open(path)
    if (file === undefined) return undefined
    try {
      return await this.#guard(path, () => use(file))
    } finally {
      await file.close()
    }
  }

  async #open(path: string): Promise<PooledFile | undefined> {
    const real = await this.#resolve(path)
    if (real === undefined) return undefined
    const file = await this.#guard(path, () => ownFiles().open(real, OPEN_FLAGS))
    if (file === undefined || (await file.stat()).isFile()) return file
    await file.close()
    return undefined
  }

  /** The real path, when it is below the real root. */
  async #resolve(path: string): Promise<string | undefined> {
    const root = await this.#guard('.', () => whenFilesAllow(() => realpath(this.#root)))
    if (root === undefined) {
      if (this.#seen) throw new ShoalError('ORIGIN_UNREACHABLE', `${this.label} has gone`)
      this.#warnMissing()
      return undefined
    }
    this.#seen = true
    const real = await this.#guard(path, () => whenFilesAllow(() => realpath(join(root, path))))
    if (real === undefined || real.startsWith(root.endsWith(sep) ? root : root + sep)) return real
    throw new ShoalError('ORIGIN_DENIED', `${this.label}: ${path} leads out of the directory`)
  }

  /** Undefined for what is not there; other failures as ShoalErrors. */
  async #guard<T>(path: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (isMissing(error)) return undefined
      throw this.#failed(path, error)
    }
  }

  #failed(path: string, cause: unknown): ShoalError {
    const denied = errnoCode(cause) === 'EACCES' || errnoCode(cause) === 'EPERM'
    const remedy = denied ? `; give this process read access to ${this.#root}` : ''
    const message = `${this.label}: cannot read ${path}: ${errorText(cause)}${remedy}`
    return new ShoalError(denied ? 'ORIGIN_DENIED' : 'ORIGIN_UNREACHABLE', message, { cause })
  }

  #changed(what: string): ShoalError {
    return new ShoalError('ORIGIN_CHANGED', `${this.label}: ${what}`)
  }

  #warnMissing(): void {
    if (this.#warned) return
    this.#warned = true
    this.#logger.warn({ path: this.#root }, 'origin directory does not exist yet; it counts as empty')
  }
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes(errnoCode(error) ?? '')
}
