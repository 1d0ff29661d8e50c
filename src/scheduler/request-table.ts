import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { SourceKind } from './leecher-types.ts'

/** A source serves this many pieces to pulls for each to the background: it is not dead for that. */
const BACKGROUND_PATIENCE = 8

/** One question to one source that will bring one piece. */
export interface PieceRequest {
  readonly id: number
  readonly blob: number
  readonly source: number
  readonly kind: SourceKind
  /** Since when its source is to act on it: asked or, where it may wait there for the piece to come, since that is there. */
  askedAt: number
  /** -1 while a home has not chosen yet. */
  piece: number
  began: boolean
  lastByteAt: number
  /** Asked although another request for the piece is under way: endgame. */
  readonly duplicate: boolean
  /** Whether its source was told that nobody waits for it. */
  background: boolean
  /** What a want last said. */
  wanted: ReadonlyBitfield | undefined
}

/** All requests of this host that are under way, by id and by piece. */
export class RequestTable {
  readonly #byId = new Map<number, PieceRequest>()
  #nextId = 1

  get size(): number {
    return this.#byId.size
  }

  open(fields: Omit<PieceRequest, 'id' | 'began' | 'lastByteAt'>): PieceRequest {
    const request = { ...fields, id: this.#nextId, began: false, lastByteAt: fields.askedAt }
    // ids go on the wire as 32 bits; by the time they come round, the old ones are long answered
    this.#nextId = this.#nextId === 0xffffffff ? 1 : this.#nextId + 1
    this.#byId.set(request.id, request)
    return request
  }

  get(id: number): PieceRequest | undefined {
    return this.#byId.get(id)
  }

  close(id: number): void {
    this.#byId.delete(id)
  }

  all(): IterableIterator<PieceRequest> {
    return this.#byId.values()
  }

  /** Whether any is to bring a piece of `blob`. */
  bring(blob: number): boolean {
    for (const request of this.#byId.values()) if (request.blob === blob && request.piece >= 0) return true
    return false
  }

  where(test: (request: PieceRequest) => boolean): PieceRequest[] {
    const found: PieceRequest[] = []
    for (const request of this.#byId.values()) if (test(request)) found.push(request)
    return found
  }
}

/** Whether nothing has come for a request for as long as its source may take. */
export function isOverdue({ lastByteAt, background }: PieceRequest, patienceMs: number, now: number): boolean {
  return now - lastByteAt > (background ? BACKGROUND_PATIENCE : 1) * patienceMs
}
