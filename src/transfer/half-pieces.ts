import type { PieceBuffers } from './piece-buffers.ts'
import type { HalfPiece } from './piece-cutter.ts'
import type { Transfer } from './transfer.ts'

interface Kept {
  readonly transfer: Transfer
  /** Which attempt at the content it belongs to: what failed its digest must not come back. */
  readonly attempt: number
  readonly half: HalfPiece
}

/** As many as a host has ranges under way. */
const MAX_KEPT = 16

/** What ranges had brought of a piece when they ended: the next one goes on from there. */
export class HalfPieces {
  readonly #buffers: PieceBuffers
  /** The oldest first. */
  readonly #kept = new Map<string, Kept>()

  constructor(buffers: PieceBuffers) {
    this.#buffers = buffers
  }

  keep(transfer: Transfer, attempt: number, half: HalfPiece | undefined): void {
    if (half === undefined) return
    const isStale = attempt !== transfer.failedProofs || transfer.signal.aborted
    if (isStale || half.filled === 0 || !transfer.wants(half.piece)) return this.#buffers.give(half.buffer)
    const name = nameOf(transfer, half.piece)
    const before = this.#kept.get(name)
    if (before !== undefined && before.half.filled >= half.filled) return this.#buffers.give(half.buffer)
    this.#drop(name)
    this.#kept.set(name, { transfer, attempt, half })
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break
      this.#drop(oldest)
    }
  }

  /** What there is of a piece; whoever takes it owns its buffer. */
  take(transfer: Transfer, piece: number): HalfPiece | undefined {
    const name = nameOf(transfer, piece)
    const kept = this.#kept.get(name)
    if (kept === undefined) return undefined
    this.#kept.delete(name)
    if (kept.transfer === transfer && kept.attempt === transfer.failedProofs) return kept.half
    this.#buffers.give(kept.half.buffer)
    return undefined
  }

  /** The transfer has ended. */
  forget(transfer: Transfer): void {
    for (const [name, kept] of this.#kept) if (kept.transfer === transfer) this.#drop(name)
  }

  #drop(name: string): void {
    const kept = this.#kept.get(name)
    if (kept === undefined) return
    this.#kept.delete(name)
    this.#buffers.give(kept.half.buffer)
  }
}

function nameOf({ blob }: Transfer, piece: number): string {
  return `${blob}/${piece}`
}
