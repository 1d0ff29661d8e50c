import type { Digest } from '../oci/digest.ts'
import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { DiskCall, DiskHealth } from './disk-health.ts'
import type { PartialBlob, StoredBlob } from './interface.ts'

/** A call that the disk's health watches: one that hangs is given up, and what the disk says is noted. */
async function guarded<T>(health: DiskHealth, call: DiskCall, work: () => Promise<T>): Promise<T> {
  try {
    return await health.run(call, work)
  } catch (error) {
    health.note(error)
    throw error
  }
}

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

  readInto(target: Uint8Array, offset: number): Promise<void> {
    return guarded(this.#health, 'read', () => this.#blob.readInto(target, offset))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#blob[Symbol.asyncDispose]()
  }
}

/** A partial on disk whose calls the disk's health watches: one that hangs is given up, and what it says is noted. */
export class GuardedPartial implements PartialBlob {
  readonly #partial: PartialBlob
  readonly #health: DiskHealth

  constructor(partial: PartialBlob, health: DiskHealth) {
    this.#partial = partial
    this.#health = health
  }

  get layout(): PieceLayout {
    return this.#partial.layout
  }

  get have(): ReadonlyBitfield {
    return this.#partial.have
  }

  hash(piece: number): Uint8Array | undefined {
    return this.#partial.hash(piece)
  }

  write(piece: number, bytes: Uint8Array, proof: Uint8Array): Promise<void> {
    return guarded(this.#health, 'write', () => this.#partial.write(piece, bytes, proof))
  }

  readInto(target: Uint8Array, offset: number): Promise<void> {
    return guarded(this.#health, 'read', () => this.#partial.readInto(target, offset))
  }

  readUnchecked(target: Uint8Array, offset: number): Promise<void> {
    return guarded(this.#health, 'read', () => this.#partial.readUnchecked(target, offset))
  }

  recheck(): Promise<number[]> {
    return guarded(this.#health, 'commit', () => this.#partial.recheck())
  }

  drop(pieces: Iterable<number>): Promise<void> {
    return this.#partial.drop(pieces)
  }

  commit(states?: Uint8Array): Promise<void> {
    return guarded(this.#health, 'commit', () => this.#partial.commit(states))
  }

  discard(): Promise<void> {
    return guarded(this.#health, 'write', () => this.#partial.discard())
  }

  /** Never waits for a disk that hangs: its file is closed when it answers again. */
  async [Symbol.asyncDispose](): Promise<void> {
    await guarded(this.#health, 'write', () => Promise.resolve(this.#partial[Symbol.asyncDispose]())).catch(() => {})
  }
}
