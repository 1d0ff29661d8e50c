import type { Digest } from '../oci/digest.ts'
import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { DiskHealth } from './disk-health.ts'
import type { PartialBlob, StoredBlob } from './interface.ts'

/** Content on disk whose reads the disk's health watches: one that hangs is given up, and what the disk says is noted. */
class Guarded<C extends StoredBlob | PartialBlob> {
  protected readonly content: C
  protected readonly health: DiskHealth

  constructor(content: C, health: DiskHealth) {
    this.content = content
    this.health = health
  }

  get layout(): PieceLayout {
    return this.content.layout
  }

  readInto(target: Uint8Array, offset: number): Promise<void> {
    return this.health.run('read', () => this.content.readInto(target, offset))
  }
}

export class GuardedBlob extends Guarded<StoredBlob> implements StoredBlob {
  get digest(): Digest {
    return this.content.digest
  }

  get size(): number {
    return this.content.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.content[Symbol.asyncDispose]()
  }
}

/** A partial: its writes are watched, too. */
export class GuardedPartial extends Guarded<PartialBlob> implements PartialBlob {
  get have(): ReadonlyBitfield {
    return this.content.have
  }

  hash(piece: number): Uint8Array | undefined {
    return this.content.hash(piece)
  }

  write(piece: number, bytes: Uint8Array, proof: Uint8Array): Promise<void> {
    return this.health.run('write', () => this.content.write(piece, bytes, proof))
  }

  readUnchecked(target: Uint8Array, offset: number): Promise<void> {
    return this.health.run('read', () => this.content.readUnchecked(target, offset))
  }

  recheck(): Promise<number[]> {
    return this.health.run('commit', () => this.content.recheck())
  }

  drop(pieces: Iterable<number>): Promise<void> {
    return this.content.drop(pieces)
  }

  commit(states?: Uint8Array): Promise<void> {
    return this.health.run('commit', () => this.content.commit(states))
  }

  discard(): Promise<void> {
    return this.health.run('write', () => this.content.discard())
  }

  /** Never waits for a disk that hangs: its file is closed when it answers again. */
  async [Symbol.asyncDispose](): Promise<void> {
    const dispose = async (): Promise<void> => this.content[Symbol.asyncDispose]()
    // the disk's state has been noted, and nobody has use for it any more
    await this.health.run('write', dispose).catch(() => {})
  }
}
