import type { Digest } from '../oci/digest.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'

/** Fills `target` from byte `offset` of a blob on. */
export type ReadInto = (target: Uint8Array, offset: number) => Promise<void>

/** A free buffer, and the verified piece that is still in it. */
interface Idle {
  readonly memory: ArrayBuffer
  readonly name: string | undefined
  readonly length: number
  /** Who reads it where it lies: until they have ended it is given to nobody. */
  readers: number
}

/** A verified piece where it lies. */
export interface LentPiece {
  readonly bytes: Uint8Array
  /** The bytes are not read any more. A reader that cannot say so for sure never calls it: the memory is then let go of. */
  release(): void
}

/**
 * Buffers of one piece each, reused from socket to disk: allocating and zeroing one for each piece would cost more than
 * hashing it. The one that has been free longest is taken first; until then it remembers what is in it, so that a piece
 * that has just come is hashed, handed to the runtime and passed on without being read back from disk.
 */
export class PieceBuffers {
  readonly #maxIdleBytes: number
  /** The longest free first; once over all sizes, once by size. */
  readonly #idle = new Set<Idle>()
  readonly #bySize = new Map<number, Set<Idle>>()
  readonly #byName = new Map<string, Idle>()
  #idleBytes = 0

  constructor(maxIdleBytes: number) {
    this.#maxIdleBytes = maxIdleBytes
  }

  /** A buffer of exactly `length` bytes over a `pieceSize` allocation; its content is arbitrary. */
  take(pieceSize: number, length: number): Uint8Array<ArrayBuffer> {
    const oldest = firstUnread(this.#bySize.get(pieceSize) ?? [])
    // Below half of what may be kept, what buffers hold is worth more than the memory; above, taking and giving by turns
    // must not allocate.
    const reused = oldest?.name === undefined || this.#idleBytes > this.#maxIdleBytes / 2 ? oldest : undefined
    if (reused !== undefined) this.#remove(reused)
    const memory = reused?.memory ?? Buffer.allocUnsafeSlow(pieceSize).buffer
    return new Uint8Array(memory, 0, length)
  }

  /** Gives a buffer back, with the verified piece it holds if it does. Nobody may touch it afterwards. */
  give(buffer: Uint8Array<ArrayBuffer>, holds?: { readonly blob: Digest; readonly piece: number }): void {
    const name = holds === undefined ? undefined : nameOf(holds.blob, holds.piece)
    if (name !== undefined) this.#forget(name)
    this.#add({ memory: buffer.buffer, name, length: buffer.length, readers: 0 })
  }

  /** The piece to read from without a copy, if it is still here. */
  lend(blob: Digest, piece: number): LentPiece | undefined {
    const idle = this.#byName.get(nameOf(blob, piece))
    if (idle === undefined) return undefined
    idle.readers++
    const release = (): void => {
      idle.readers--
    }
    return { bytes: new Uint8Array(idle.memory, 0, idle.length), release }
  }

  /** The piece where it lies, or read by `readInto`: in a burst many peers want the same one at about the same time. */
  async read(layout: PieceLayout, piece: number, readInto: ReadInto): Promise<LentPiece> {
    const { digest: blob } = layout
    const lent = this.lend(blob, piece)
    if (lent !== undefined) return lent
    const bytes = this.take(layout.pieceSize, layout.length(piece))
    try {
      await readInto(bytes, layout.range(piece).start)
    } catch (error) {
      this.give(bytes)
      throw error
    }
    return { bytes, release: () => this.give(bytes, { blob, piece }) }
  }

  /** Fills `target` with what lies from `start` on in the piece, if the piece is still here. */
  recall(blob: Digest, piece: number, start: number, target: Uint8Array): boolean {
    const idle = this.#byName.get(nameOf(blob, piece))
    if (idle === undefined || start + target.length > idle.length) return false
    target.set(new Uint8Array(idle.memory, start, target.length))
    return true
  }

  /** These pieces were wrong after all. */
  forget(blob: Digest, pieces: Iterable<number>): void {
    for (const piece of pieces) this.#forget(nameOf(blob, piece))
  }

  #forget(name: string): void {
    const idle = this.#byName.get(name)
    if (idle === undefined) return
    this.#remove(idle)
    if (idle.readers === 0) this.#add({ ...idle, name: undefined })
  }

  #add(idle: Idle): void {
    const size = idle.memory.byteLength
    const sameSize = this.#bySize.get(size) ?? new Set()
    this.#bySize.set(size, sameSize.add(idle))
    this.#idle.add(idle)
    if (idle.name !== undefined) this.#byName.set(idle.name, idle)
    this.#idleBytes += size
    for (const oldest of this.#idle) {
      if (this.#idleBytes <= this.#maxIdleBytes) return
      this.#remove(oldest)
    }
  }

  #remove(idle: Idle): void {
    const size = idle.memory.byteLength
    if (!this.#idle.delete(idle)) return
    this.#bySize.get(size)?.delete(idle)
    if (idle.name !== undefined) this.#byName.delete(idle.name)
    this.#idleBytes -= size
  }
}

function nameOf(blob: Digest, piece: number): string {
  return `${piece}/${blob}`
}

function firstUnread(buffers: Iterable<Idle>): Idle | undefined {
  for (const idle of buffers) if (idle.readers === 0) return idle
  return undefined
}
