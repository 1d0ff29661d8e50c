import type { Digest } from '../oci/digest.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { DiskHealth } from './disk-health.ts'
import type { StoredBlob } from './interface.ts'

/** A stored blob whose reads the disk's health watches. */
export class GuardedBlob implements StoredBlob {
  readonly #blob: StoredBlob
  readonly #health: DiskHealth

  constructor(blob: StoredBlob, health: DiskHealth) {
    this.#blob = blob
    this.#health = health
  }

  get layout(): PieceLayout {
    return this.#blob.layout
  }

  get digest(): Digest {
    return this.#blob.digest
  }

  get size(): number {
    return this.#blob.size
  }

  async readInto(target: Uint8Array, offset: number): Promise<void> {
    try {
      await this.#health.run('read', () => this.#blob.readInto(target, offset))
    } catch (error) {
      this.#health.note(error)
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#blob[Symbol.asyncDispose]()
  }
}
