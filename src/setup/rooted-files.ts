import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { errnoCode } from '../base/errno.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import { refusal } from './refusal.ts'

/** Far above what such files have. */
const MAX_FILE_BYTES = 1024 * 1024
const MAX_LINKS = 40

/**
 * The files below a directory, by the paths that they would have if it were `/`. Symbolic links are followed as if it were,
 * too: never out of it. Every method throws `SETUP_REFUSED`, naming the file, when the file system says no.
 */
export class RootedFiles {
  readonly #root: string

  constructor(root: string) {
    this.#root = resolve(root)
  }

  /** Undefined when there is none. */
  read(path: string): Buffer | undefined {
    return this.#trying(path, 'read', (real) => {
      const found = statSync(real, { throwIfNoEntry: false })
      if (found === undefined) return undefined
      if (!found.isFile()) throw refusal(`${path} is no file`)
      if (found.size > MAX_FILE_BYTES) throw refusal(`${path} is larger than 1 MiB`)
      return readFileSync(real)
    })
  }

  list(directory: string): readonly string[] {
    return this.#trying(directory, 'read', (real) => {
      try {
        return readdirSync(real).sort()
      } catch (error) {
        if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENOTDIR') return []
        throw error
      }
    })
  }

  /** Who owns a file, and who may write to it. */
  owner(path: string): { readonly uid: number; readonly mode: number } | undefined {
    return this.#trying(path, 'read', (real) => statSync(real, { throwIfNoEntry: false }))
  }

  /**
   * Puts a whole file in the place of another at once, with the other's mode and owner; `mode` is for a file that is new.
   * Returns the directories that had to be made, outermost first.
   */
  write(path: string, content: Uint8Array, mode: number): readonly string[] {
    return this.#trying(path, 'write', (real) => {
      const made = this.#makeDirectory(dirname(path))
      const old = statSync(real, { throwIfNoEntry: false })
      const temporary = join(dirname(real), `.${basename(real)}.shoal-new`)
      if (lstatSync(temporary, { throwIfNoEntry: false }) !== undefined) unlinkSync(temporary)
      const file = openSync(temporary, 'wx', 0o600)
      try {
        writeFileSync(file, content)
        if (old !== undefined) fchownSync(file, old.uid, old.gid)
        fchmodSync(file, old === undefined ? mode : old.mode & 0o7777)
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      renameSync(temporary, real)
      syncDirectory(dirname(real))
      return made
    })
  }

  remove(path: string): void {
    this.#trying(path, 'remove', (real) => {
      if (statSync(real, { throwIfNoEntry: false }) === undefined) return
      unlinkSync(real)
      syncDirectory(dirname(real))
    })
  }

  /** Removes a directory if nothing is in it. Returns whether it is gone. */
  removeEmpty(directory: string): boolean {
    return this.#trying(directory, 'remove', (real) => {
      try {
        rmdirSync(real)
        return true
      } catch (error) {
        const code = errnoCode(error)
        if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
        if (code === 'ENOENT') return true
        throw error
      }
    })
  }

  #makeDirectory(directory: string): string[] {
    const real = this.#resolve(directory)
    if (statSync(real, { throwIfNoEntry: false }) !== undefined) return []
    const made = directory === '/' ? [] : this.#makeDirectory(dirname(directory))
    mkdirSync(real, { mode: 0o755 })
    return [...made, directory]
  }

  #trying<T>(path: string, verb: 'read' | 'write' | 'remove', work: (real: string) => T): T {
    try {
      return work(this.#resolve(path))
    } catch (error) {
      if (error instanceof ShoalError) throw error
      const code = errnoCode(error)
      const why = code === 'EACCES' || code === 'EPERM' ? 'run this as root' : errorText(error)
      throw new ShoalError('SETUP_REFUSED', `${path}: cannot ${verb} it: ${why}`, { cause: error })
    }
  }

  /** Where a path leads, component by component, as the kernel would go if the root was `/`. */
  #resolve(path: string): string {
    let done: string[] = []
    const rest = path.split('/').filter((part) => part !== '' && part !== '.')
    for (let links = 0; rest.length > 0; ) {
      const part = rest.shift()!
      if (part === '..') {
        done = done.slice(0, -1)
        continue
      }
      const here = join(this.#root, ...done, part)
      const target = lstatSync(here, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(here) : undefined
      if (target === undefined) {
        done.push(part)
        continue
      }
      links += 1
      if (links > MAX_LINKS) throw refusal(`${path}: too many symbolic links`)
      if (target.startsWith('/')) done = []
      rest.unshift(...target.split('/').filter((one) => one !== '' && one !== '.'))
    }
    return join(this.#root, ...done)
  }
}

function syncDirectory(directory: string): void {
  const handle = openSync(directory, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
