import { ShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import { HeldPartial } from './held-partial.ts'
import type { PartialBlob, StoredBlob } from './interface.ts'
import type { MemoryPartial } from './memory-partial.ts'
import { requireWithin } from './stored-blob.ts'

/** A complete blob in memory. */
interface Held {
  readonly layout: PieceLayout
  readonly content: MemoryPartial
  users: number
}

/**
 * Blobs that the disk does not take now, whole and proven, within a bound: enough that a cache without a disk still
 * fetches what its region pulls at the time only once. The least recently used leave first.
 */
export class MemoryBlobs {
  readonly #maxBytes: number
  /** The least recently used first. */
  readonly #held = new Map<Digest, Held>()
  readonly #open = new Set<Digest>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Of complete blobs and of what open partials may become. */
  get bytes(): number {
    return this.#bytes
  }

  size(digest: Digest): number | undefined {
    return this.#held.get(digest)?.layout.size
  }

  digests(): Digest[] {
    return [...this.#held.keys()]
  }

  open(digest: Digest): StoredBlob | undefined {
    const held = this.#held.get(digest)
    if (held === undefined) return undefined
    this.#held.delete(digest)
    this.#held.set(digest, held)
    held.users++
    return new HeldBlob(held)
  }

  /** Makes room for a blob and opens a partial that becomes one. Throws `STORE_DISK_FULL` beyond the bound. */
  openPartial(layout: PieceLayout): PartialBlob {
    const { digest, size } = layout
    if (this.#held.has(digest) || this.#open.has(digest)) {
      throw new ShoalError('STORE_FAILED', `the partial of ${digest} is open already, or complete`)
    }
    this.#makeRoom(size)
    this.#open.add(digest)
    this.#bytes += size
    let isKept = false
    return new HeldPartial(layout, {
      commit: (content) => {
        this.#held.set(digest, { layout, content, users: 0 })
        isKept = true
      },
      closed: () => {
        this.#open.delete(digest)
        if (!isKept) this.#bytes -= size
      },
    })
  }

  /** The proof of each piece of a complete blob. */
  hash(digest: Digest, piece: number): Uint8Array | undefined {
    return this.#held.get(digest)?.content.hash(piece)
  }

  remove(digest: Digest): void {
    const held = this.#held.get(digest)
    if (held === undefined) return
    this.#held.delete(digest)
    this.#bytes -= held.layout.size
  }

  #makeRoom(bytes: number): void {
    for (const [digest, { users }] of this.#held) {
      if (this.#bytes + bytes <= this.#maxBytes) return
      if (users === 0) this.remove(digest)
    }
    if (this.#bytes + bytes <= this.#maxBytes) return
    throw new ShoalError('STORE_DISK_FULL', `the disk takes nothing now, and ${bytes} bytes are too many for memory`)
  }
}

class HeldBlob implements StoredBlob {
  readonly layout: PieceLayout
  readonly #held: Held
  #isOpen = true

  constructor(held: Held) {
    this.#held = held
    this.layout = held.layout
  }

  get digest(): Digest {
    return this.layout.digest
  }

  get size(): number {
    return this.layout.size
  }

  async readInto(target: Uint8Array, offset: number): Promise<void> {
    requireWithin(this.size, offset, target.length)
    await this.#held.content.readInto(target, offset)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOpen) this.#held.users--
    this.#isOpen = false
  }
}
