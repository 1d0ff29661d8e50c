import type { Hash } from 'node:crypto'
import { digestHasher, digestHex } from '../oci/digest.ts'
import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'

/**
 * The digest over a blob's contiguous prefix, growing as pieces come, so that proving the whole costs only the tail.
 * A piece that arrives in its turn is hashed from memory; others are read back once the gap before them closes.
 */
export class PrefixDigest {
  readonly #layout: PieceLayout
  #hash: Hash
  #next = 0

  constructor(layout: PieceLayout) {
    this.#layout = layout
    this.#hash = digestHasher(layout.digest)
  }

  /** The first piece not hashed yet. */
  get next(): number {
    return this.#next
  }

  get done(): boolean {
    return this.#next === this.#layout.count
  }

  /** Takes a piece if its turn has come. */
  offer(piece: number, bytes: Uint8Array): void {
    if (piece !== this.#next) return
    this.#hash.update(bytes)
    this.#next++
  }

  /** Reads on while the next pieces are there. `scratch` holds one piece. */
  async catchUp(
    have: ReadonlyBitfield,
    scratch: Uint8Array,
    readInto: (target: Uint8Array, offset: number) => Promise<void>,
  ): Promise<void> {
    while (!this.done && have.has(this.#next)) {
      const piece = this.#next
      const hash = this.#hash
      const bytes = scratch.subarray(0, this.#layout.length(piece))
      await readInto(bytes, this.#layout.range(piece).start)
      // restarted meanwhile: what was read may be what has just been dropped
      if (hash === this.#hash) this.offer(piece, bytes)
    }
  }

  /** Whether the whole content is what the digest names. Ends this hash. */
  proven(): boolean {
    return this.done && this.#hash.copy().digest('hex') === digestHex(this.#layout.digest)
  }

  restart(): void {
    this.#hash = digestHasher(this.#layout.digest)
    this.#next = 0
  }
}
