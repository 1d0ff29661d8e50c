import type { Hash } from 'node:crypto'
import { chainHash } from '../base/chain-hash.ts'
import { digestHasher, digestHex } from '../oci/digest.ts'
import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PieceProofs } from '../piece/piece-proof.ts'
import {
  HASH_BYTES,
  hasChain,
  isLink,
  leadToDigest,
  linkFrom,
  sameBytes,
  stateAfter,
  stateBefore,
} from '../piece/piece-proof.ts'

/**
 * The digest over a blob's contiguous prefix, growing as pieces come, so that proving the whole costs only the tail.
 * A piece whose link goes on from the state so far has been hashed by its own check, and costs nothing here. Of the others, one
 * that arrives in its turn is hashed from memory, the rest are read back once the gap before them closes.
 */
export class PrefixDigest {
  readonly #layout: PieceLayout
  /** The states before the first piece and after each, up to the next; undefined where there is no chain. */
  readonly #states: Uint8Array | undefined
  #hash: Hash
  #next = 0
  #restarts = 0

  constructor(layout: PieceLayout) {
    this.#layout = layout
    this.#hash = digestHasher(layout.digest)
    this.#states = hasChain(layout) ? new Uint8Array((layout.count + 1) * HASH_BYTES) : undefined
    this.#states?.set(chainHash.start)
  }

  /** The first piece not hashed yet. */
  get next(): number {
    return this.#next
  }

  get done(): boolean {
    return this.#next === this.#layout.count
  }

  /** The chain of what was hashed, packed (`packProofs`); undefined where there is none. */
  get states(): Uint8Array | undefined {
    return this.#states
  }

  /** The link of these bytes, if the turn of their piece has come and there is a chain. */
  linkOf(piece: number, bytes: Uint8Array): Uint8Array | undefined {
    const before = piece === this.#next ? this.#stateAt(piece) : undefined
    return before === undefined ? undefined : linkFrom(before, this.#layout, piece, bytes)
  }

  /** Takes a piece if its turn has come. `proof`: what its bytes have been compared with, or come from. */
  offer(piece: number, bytes: Uint8Array, proof?: Uint8Array): void {
    if (piece !== this.#next || this.#follow(proof)) return
    const link = this.linkOf(piece, bytes)
    if (link !== undefined) this.#follow(link)
    else {
      this.#hash.update(bytes)
      this.#next++
    }
  }

  /** Goes on while the next pieces are there, by their proofs or by reading them. `scratch` holds one piece. */
  async catchUp(
    have: ReadonlyBitfield,
    scratch: Uint8Array,
    readInto: (target: Uint8Array, offset: number) => Promise<void>,
    proofs: PieceProofs = () => undefined,
  ): Promise<void> {
    while (!this.done && have.has(this.#next)) {
      const piece = this.#next
      const restarts = this.#restarts
      if (this.#follow(proofs(piece))) continue
      const bytes = scratch.subarray(0, this.#layout.length(piece))
      await readInto(bytes, this.#layout.range(piece).start)
      // restarted meanwhile: what was read may be what has just been dropped
      if (restarts === this.#restarts) this.offer(piece, bytes)
    }
  }

  /** Whether the whole content is what the digest names. */
  proven(): boolean {
    if (!this.done) return false
    if (this.#states !== undefined) return leadToDigest(this.#layout, this.#states)
    return this.#hash.copy().digest('hex') === digestHex(this.#layout.digest)
  }

  restart(): void {
    this.#restarts++
    this.#hash = digestHasher(this.#layout.digest)
    this.#next = 0
  }

  /** Takes the next piece by its proof: false when that is no link from the state so far. */
  #follow(proof: Uint8Array | undefined): boolean {
    const before = this.#stateAt(this.#next)
    if (before === undefined || proof === undefined || !isLink(proof)) return false
    if (!sameBytes(stateBefore(proof), before)) return false
    this.#next++
    this.#states?.set(stateAfter(proof), this.#next * HASH_BYTES)
    return true
  }

  #stateAt(piece: number): Uint8Array | undefined {
    return this.#states?.subarray(piece * HASH_BYTES, (piece + 1) * HASH_BYTES)
  }
}
