import { raceAbort } from '../base/abort.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
import type { Outcome } from '../base/outcome.ts'
import { errorOf, isRefused } from '../base/outcome.ts'
import type { ByteRange } from '../piece/piece-layout.ts'
import type { StoredBlob } from '../store/index.ts'
import type { Transfer, Transfers } from '../transfer/index.ts'
import type { BlobReader, ContentSource, ReadRange } from './interface.ts'

/** A complete blob, from the store. */
export class StoredReader implements BlobReader {
  readonly source: ContentSource
  readonly #stored: StoredBlob

  constructor(stored: StoredBlob, source: ContentSource) {
    this.#stored = stored
    this.source = source
  }

  get size(): number {
    return this.#stored.size
  }

  async *read({ start, end }: ByteRange, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { layout } = this.#stored
    const buffer = Buffer.allocUnsafe(Math.min(layout.pieceSize, Math.max(0, end - start)))
    for (let offset = start; offset < end; ) {
      signal.throwIfAborted()
      // piece by piece: each is read and compared once
      const until = Math.min(end, layout.range(layout.pieceAt(offset)).end)
      const chunk = buffer.subarray(0, until - offset)
      await this.#stored.readInto(chunk, offset)
      yield chunk
      offset += chunk.length
    }
  }

  resumable(): boolean {
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stored[Symbol.asyncDispose]()
  }
}

/** A small blob that could not be stored. */
export class BytesReader implements BlobReader {
  readonly source: ContentSource
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array, source: ContentSource) {
    this.#bytes = bytes
    this.source = source
  }

  get size(): number {
    return this.#bytes.length
  }

  async *read({ start, end }: ByteRange): AsyncIterable<Uint8Array> {
    if (end > start) yield this.#bytes.subarray(start, end)
  }

  resumable(): boolean {
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A blob that is still arriving. */
export class TransferReader implements BlobReader {
  readonly source: ContentSource
  readonly #transfers: Transfers
  readonly #transfer: Transfer
  readonly #hold: Disposable

  constructor(transfers: Transfers, transfer: Transfer, source: ContentSource) {
    this.#transfers = transfers
    this.#transfer = transfer
    this.#hold = transfer.hold()
    this.source = source
  }

  get size(): number {
    return this.#transfer.layout.size
  }

  async *read(range: ReadRange, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { layout, retractions, window } = this.#transfer
    const { start, end } = range
    // of what passes through memory nobody but a reader of the whole has a whole to prove
    const isPart = range.isPart === true || (window !== undefined && start > 0)
    using reading = this.#transfers.follow(this.#transfer, range)
    let buffer: Buffer | undefined
    for (let offset = start; offset < end; ) {
      const piece = layout.pieceAt(offset)
      reading.at(offset)
      await this.#transfer.whenServable(piece, isPart, signal)
      if (this.#transfer.retractions !== retractions) await this.#confirmPrefix(piece, signal)
      const bounds = layout.range(piece)
      const length = Math.min(end, bounds.end) - offset
      // noted first: should the content start over during the read, these bytes must not be forgotten
      this.#transfer.handedOut(piece)
      const lent = this.#transfer.lend(piece)
      if (lent !== undefined) {
        yield lent.bytes.subarray(offset - bounds.start, offset - bounds.start + length)
        lent.release()
      } else {
        // a whole piece: by smaller parts a reader stays behind what arrives, and all it gets is from disk
        buffer ??= Buffer.allocUnsafe(layout.pieceSize)
        const chunk = buffer.subarray(0, length)
        if (!(await this.#readFromDisk(chunk, offset))) continue
        yield chunk
      }
      offset += length
    }
  }

  resumable(start: number): boolean {
    return start === 0 || !this.#transfers.tainted(this.#transfer.digest)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hold[Symbol.dispose]()
  }

  /** False when the disk has changed the piece: it comes again. */
  async #readFromDisk(chunk: Uint8Array, offset: number): Promise<boolean> {
    try {
      await this.#transfer.readInto(chunk, offset)
      return true
    } catch (error) {
      if (isShoalError(error, 'STORE_CORRUPT') && !this.#transfer.proven) return false
      throw error
    }
  }

  /** The content was wrong and came anew: goes on only if what this reader gave away was right all the same. */
  async #confirmPrefix(piece: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const confirmed = this.#transfer.prefixConfirmed(piece)
      if (confirmed === true) return
      if (confirmed === false) {
        throw new ShoalError('CONTENT_CORRUPT', 'what was sent so far turned out to be wrong; the rest is withheld')
      }
      await this.#transfer.whenChanged(signal)
    }
  }
}

/** A blob of known size that has been announced to its reader before it was found. */
export class PendingReader implements BlobReader {
  readonly size: number
  readonly source: ContentSource = 'home'
  readonly #tainted: boolean
  readonly #opening: Promise<Outcome<BlobReader>>

  constructor(size: number, tainted: boolean, opening: Promise<Outcome<BlobReader>>) {
    this.size = size
    this.#tainted = tainted
    this.#opening = opening
    // whoever reads hears of it
    opening.catch(() => {})
  }

  async *read(range: ReadRange, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const outcome = await raceAbort(this.#opening, signal)
    if (isRefused(outcome)) throw errorOf(outcome)
    yield* outcome.read(range, signal)
  }

  resumable(start: number): boolean {
    return start === 0 || !this.#tainted
  }

  /** Also when its reader left before the blob was found. */
  async [Symbol.asyncDispose](): Promise<void> {
    const dispose = async (outcome: Outcome<BlobReader>): Promise<void> => {
      if (!isRefused(outcome)) await outcome[Symbol.asyncDispose]()
    }
    await this.#opening.then(dispose, () => {})
  }
}
