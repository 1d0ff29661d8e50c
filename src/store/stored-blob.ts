import type { FileHandle } from 'node:fs/promises'
import { ShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import { readFully, storeError } from './files.ts'
import { Gate } from './gate.ts'
import type { StoredBlob } from './interface.ts'

/** An open complete blob. Its descriptor keeps the bytes readable whatever happens to the name. */
export class DiskStoredBlob implements StoredBlob {
  readonly digest: Digest
  readonly size: number
  readonly #file: FileHandle
  readonly #reads: Gate
  readonly #onClose: () => void
  #disposal: Promise<void> | undefined

  /** `onClose` runs once, after the file is closed. */
  constructor(blob: { readonly digest: Digest; readonly size: number }, file: FileHandle, onClose: () => void) {
    this.digest = blob.digest
    this.size = blob.size
    this.#file = file
    this.#reads = new Gate(`blob ${blob.digest}`)
    this.#onClose = onClose
  }

  readInto(target: Uint8Array, offset: number): Promise<void> {
    return this.#reads.run(async () => {
      requireWithin(this.size, offset, target.length)
      await readFully(this.#file, target, offset).catch((error) => {
        throw storeError(error, `blob ${this.digest} cannot be read`)
      })
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose()
    return this.#disposal
  }

  async #dispose(): Promise<void> {
    await this.#reads.close()
    await this.#file.close().finally(this.#onClose)
  }
}

/** Throws `STORE_FAILED` unless `length` bytes from `offset` lie within `size`. */
export function requireWithin(size: number, offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset + length <= size) return
  throw new ShoalError('STORE_FAILED', `bytes ${offset} to ${offset + length} lie outside a blob of ${size} bytes`)
}
