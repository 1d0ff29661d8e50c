import type { Download } from './download.ts'
import type { LeecherOptions } from './leecher-types.ts'

interface Load {
  pieces: number
  bytes: number
}

/**
 * The pieces on the way to this host, and whether more may be asked for. Sources serve the background last, so pulls do
 * not wait for its pieces to come: it takes what pulls leave of the limits, and pulls take the whole. Both together may
 * thus be under way twice, for as long as it takes what the background had asked for before.
 */
export class UnderWay {
  readonly #options: LeecherOptions
  readonly #pulls: Load = { pieces: 0, bytes: 0 }
  readonly #background: Load = { pieces: 0, bytes: 0 }

  constructor(options: LeecherOptions) {
    this.#options = options
  }

  get pieces(): number {
    return this.#pulls.pieces + this.#background.pieces
  }

  get bytes(): number {
    return this.#pulls.bytes + this.#background.bytes
  }

  /** This many pieces more of a blob are; fewer, when negative. */
  add({ background, spec }: Download, pieces: number): void {
    const load = background ? this.#background : this.#pulls
    load.pieces += pieces
    load.bytes += pieces * spec.pieceBytes
  }

  /** Pieces that one more would come beside. */
  beside(background: boolean): number {
    return this.#beside(background).pieces
  }

  /** Whether one more may be, of whatever blob: for the background only where pulls have room, too. */
  hasRoom(background: boolean): boolean {
    const { maxOutstanding, smallOutstanding, smallBytes } = this.#options
    const { pieces, bytes } = this.#beside(background)
    return pieces < maxOutstanding || (pieces < smallOutstanding && bytes < smallBytes)
  }

  /** Whether one more may be, of this blob. */
  admits({ background, spec }: Download): boolean {
    const { maxOutstanding, maxOutstandingBytes, leastOutstanding, smallBytes } = this.#options
    const { pieces, bytes } = this.#beside(background)
    if (!this.hasRoom(background)) return false
    if (pieces < leastOutstanding && pieces < maxOutstanding) return true
    return bytes + spec.pieceBytes <= (pieces < maxOutstanding ? maxOutstandingBytes : smallBytes)
  }

  #beside(background: boolean): Readonly<Load> {
    return background ? { pieces: this.pieces, bytes: this.bytes } : this.#pulls
  }
}
