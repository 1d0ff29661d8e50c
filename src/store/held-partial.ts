import { ShoalError } from '../base/errors.ts'
import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PartialBlob } from './interface.ts'
import { MemoryPartial } from './memory-partial.ts'

interface HeldPartialEvents {
  /** All of it is there and proven. */
  readonly commit: (content: MemoryPartial) => void
  /** It is closed, whatever became of it. */
  readonly closed: () => void
}

/** A partial that holds every piece in memory until it is disposed, and leaves a blob there when it was committed. */
export class HeldPartial implements PartialBlob {
  readonly layout: PieceLayout
  readonly #content: MemoryPartial
  readonly #events: HeldPartialEvents
  #state: 'open' | 'committed' | 'closed' = 'open'

  constructor(layout: PieceLayout, events: HeldPartialEvents) {
    this.layout = layout
    this.#content = new MemoryPartial(layout)
    this.#events = events
  }

  get have(): ReadonlyBitfield {
    return this.#content.have
  }

  hash(piece: number): Uint8Array | undefined {
    return this.#content.hash(piece)
  }

  async write(piece: number, bytes: Uint8Array, proof: Uint8Array): Promise<void> {
    if (this.#content.have.has(piece)) return
    if (this.#state !== 'open') throw new ShoalError('STORE_FAILED', `the partial of ${this.layout.digest} is closed`)
    await this.#content.write(piece, bytes, proof)
  }

  readInto(target: Uint8Array, offset: number): Promise<void> {
    return this.#content.readInto(target, offset)
  }

  readUnchecked(target: Uint8Array, offset: number): Promise<void> {
    return this.#content.readInto(target, offset)
  }

  recheck(): Promise<number[]> {
    return this.#content.recheck()
  }

  drop(pieces: Iterable<number>): Promise<void> {
    return this.#content.drop(pieces)
  }

  async commit(states?: Uint8Array): Promise<void> {
    if (this.#state !== 'open' || !this.have.complete) {
      throw new ShoalError('STORE_FAILED', `the partial of ${this.layout.digest} is not complete`)
    }
    await this.#content.commit(states)
    this.#state = 'committed'
    this.#events.commit(this.#content)
  }

  async discard(): Promise<void> {
    await this.#content.discard()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'closed') return
    if (this.#state === 'open') await this.#content.discard()
    this.#state = 'closed'
    this.#events.closed()
  }
}
