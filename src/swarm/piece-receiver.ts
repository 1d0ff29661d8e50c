import { ShoalError } from '../base/errors.ts'
import type { PieceSink } from './interface.ts'
import { decodePieceHeader, PIECE_HEADER_BYTES } from './piece-frame.ts'
import { MAX_WIRE_PIECE_BYTES } from './wire-limits.ts'

/** Sinks hear of bytes in such steps: on slow links every record would be an event. */
const PROGRESS_BYTES = 64 * 1024

/** The piece that is arriving: into a buffer, or nowhere. */
interface Arrival {
  readonly id: number
  readonly length: number
  received: number
  /** Of these, what the sink has heard of. */
  told: number
  sink: PieceSink | undefined
  readonly buffer: Uint8Array | undefined
}

/**
 * Takes a piece stream apart and copies every chunk straight to where its piece belongs. Holds no bytes of its own. Whoever
 * expects what is its owner's, since an answer may come by any of the channels of a link.
 */
export class PieceReceiver {
  readonly #expected: Map<number, PieceSink>
  readonly #header = new Uint8Array(PIECE_HEADER_BYTES)
  #headerFilled = 0
  #arrival: Arrival | undefined
  /** Since push() was called. */
  #endedOne = false

  constructor(expected: Map<number, PieceSink>) {
    this.#expected = expected
  }

  /** What is arriving for `id` goes nowhere from here on. */
  forget(id: number): void {
    if (this.#arrival?.id === id) this.#arrival.sink = undefined
  }

  /** Returns whether a piece has come to its end. Throws `PEER_PROTOCOL`. */
  push(chunk: Uint8Array): boolean {
    this.#endedOne = false
    let offset = 0
    while (offset < chunk.length) {
      const take =
        this.#arrival === undefined
          ? this.#readHeader(chunk, offset)
          : this.#readBody(this.#arrival, chunk.subarray(offset))
      offset += take
    }
    return this.#endedOne
  }

  #readHeader(chunk: Uint8Array, offset: number): number {
    const take = Math.min(PIECE_HEADER_BYTES - this.#headerFilled, chunk.length - offset)
    this.#header.set(chunk.subarray(offset, offset + take), this.#headerFilled)
    this.#headerFilled += take
    if (this.#headerFilled === PIECE_HEADER_BYTES) {
      this.#headerFilled = 0
      this.#begin()
    }
    return take
  }

  #begin(): void {
    const { id, piece, length } = decodePieceHeader(this.#header)
    if (length > MAX_WIRE_PIECE_BYTES)
      throw new ShoalError('PEER_PROTOCOL', 'a peer announced a piece that is too long')
    const sink = this.#expected.get(id)
    const buffer = sink?.begin(piece, length)
    if (sink !== undefined && buffer?.length !== length) {
      throw new ShoalError('PEER_PROTOCOL', 'a peer sent a piece that was not asked for', {
        details: { piece, length },
      })
    }
    // The sink may have forgotten the id just now.
    const wanted = this.#expected.get(id) === sink ? sink : undefined
    this.#arrival = { id, length, received: 0, told: 0, sink: wanted, buffer }
    if (length === 0) this.#end(this.#arrival)
  }

  #readBody(arrival: Arrival, rest: Uint8Array): number {
    const take = Math.min(arrival.length - arrival.received, rest.length)
    if (arrival.sink !== undefined) {
      arrival.buffer?.set(take === rest.length ? rest : rest.subarray(0, take), arrival.received)
    }
    arrival.received += take
    if (arrival.received - arrival.told >= PROGRESS_BYTES) {
      arrival.told = arrival.received
      arrival.sink?.progress(arrival.received)
    }
    if (arrival.received === arrival.length) this.#end(arrival)
    return take
  }

  #end(arrival: Arrival): void {
    this.#arrival = undefined
    this.#endedOne = true
    if (arrival.sink === undefined) return
    // One answer for one id; what follows under it is skipped, like late bytes.
    this.#expected.delete(arrival.id)
    arrival.sink.end()
  }
}
