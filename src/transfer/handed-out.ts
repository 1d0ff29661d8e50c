import { isProvenBy, sameBytes } from '../piece/piece-proof.ts'
import type { PartialBlob } from '../store/index.ts'

/** What runtimes have been given of a blob before the whole was proven, and whether that has turned out right. */
export class HandedOut {
  readonly #partial: Pick<PartialBlob, 'have' | 'hash' | 'layout'>
  /** Proofs of the pieces given since the last failed proof. */
  readonly #given = new Map<number, Uint8Array>()
  /** Of those given before one, or that came again and were others. */
  readonly #suspects = new Map<number, Uint8Array>()
  #wrongs = 0

  constructor(partial: Pick<PartialBlob, 'have' | 'hash' | 'layout'>) {
    this.#partial = partial
  }

  note(piece: number): void {
    const hash = this.#given.has(piece) ? undefined : this.#partial.hash(piece)
    if (hash !== undefined) this.#given.set(piece, hash)
  }

  /** How often a piece has come again, and was not what had been given. */
  get wrongs(): number {
    return this.#wrongs
  }

  /**
   * A piece comes, with this proof. It may come again without the whole having failed: its home has another proof for it now.
   * Another proof need not mean other bytes: it may be of the other kind, or a link after another piece that was wrong.
   */
  came(piece: number, bytes: Uint8Array, proof: Uint8Array): void {
    const isOf = (earlier: Uint8Array): boolean =>
      sameBytes(earlier, proof) || isProvenBy(earlier, this.#partial.layout, piece, bytes)
    const suspect = this.#suspects.get(piece)
    if (suspect !== undefined && isOf(suspect)) this.#suspects.set(piece, proof)
    const given = this.#given.get(piece)
    if (given === undefined || isOf(given)) return
    this.#given.delete(piece)
    this.#suspects.set(piece, given)
    this.#wrongs++
  }

  /** The whole has failed its digest: any of it may have been wrong. */
  suspect(): void {
    for (const [piece, hash] of this.#given) this.#suspects.set(piece, hash)
    this.#given.clear()
  }

  /** Whether what was given before `piece` is what belongs there. Undefined while not all of it is back yet. */
  confirmed(piece: number): boolean | undefined {
    for (const [suspect, hash] of this.#suspects) {
      if (suspect >= piece) continue
      const now = this.#partial.have.has(suspect) ? this.#partial.hash(suspect) : undefined
      if (now === undefined) return undefined
      if (!sameBytes(now, hash)) return false
    }
    return true
  }

  /** Whether a wrong prefix may be in some client's hands. */
  get isTainted(): boolean {
    return this.#suspects.size > 0 && this.confirmed(this.#partial.layout.count) !== true
  }

  /** Whether a piece can be given that may have been given before: only where that was right. */
  isSame(piece: number): boolean {
    return !this.#suspects.has(piece) || this.confirmed(piece + 1) === true
  }
}
