import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { DiskCall, DiskHealth } from './disk-health.ts'
import type { PartialBlob } from './interface.ts'

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
    return this.#run('write', () => this.#partial.write(piece, bytes, proof))
  }

  readInto(target: Uint8Array, offset: number): Promise<void> {
    return this.#run('read', () => this.#partial.readInto(target, offset))
  }

  readUnchecked(target: Uint8Array, offset: number): Promise<void> {
    return this.#run('read', () => this.#partial.readUnchecked(target, offset))
  }

  recheck(): Promise<number[]> {
    return this.#run('commit', () => this.#partial.recheck())
  }

  drop(pieces: Iterable<number>): Promise<void> {
    return this.#partial.drop(pieces)
  }

  commit(): Promise<void> {
    return this.#run('commit', () => this.#partial.commit())
  }

  discard(): Promise<void> {
    return this.#run('write', () => this.#partial.discard())
  }

  /** Never waits for a disk that hangs: its file is closed when it answers again. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run('write', () => Promise.resolve(this.#partial[Symbol.asyncDispose]())).catch(() => {})
  }

  async #run<T>(call: DiskCall, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#health.run(call, work)
    } catch (error) {
      this.#health.note(error)
      throw error
    }
  }
}
