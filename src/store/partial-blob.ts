import { ShoalError } from '../base/errors.ts'
import type { PooledFile } from '../base/file-pool.ts'
import type { Bitfield, ReadonlyBitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import { isProof, packProofs } from '../piece/piece-proof.ts'
import type { ProofTable } from '../piece/proof-table.ts'
import { CheckedFile, damagedError } from './checked-file.ts'
import { readFully, storeError, writeFully } from './files.ts'
import { InFlight } from './in-flight.ts'
import type { PartialBlob } from './interface.ts'
import { ownSeals } from './piece-seals.ts'
import { requireWithin } from './stored-blob.ts'

/** What an open partial holds: which pieces are in the file, with their proofs. */
export interface PartialContent {
  readonly layout: PieceLayout
  readonly have: Bitfield
  /** Meaningful for pieces in `have`. */
  readonly proofs: ProofTable
}

/** What a partial asks of the store that opened it. */
export interface PartialKeeper {
  /** Runs a step of the blob's life alone: no other operation on its digest runs meanwhile. */
  exclusively(work: () => Promise<void>): Promise<void>
  /** Runs a write with one more try after eviction. */
  write(bytes: number, attempt: () => Promise<void>): Promise<void>
  /** Piece `piece` of `bytes` is in the file now; with an undefined proof, it no longer counts. */
  record(piece: number, bytes: number, proof: Uint8Array | undefined): void
  /** The disk has changed a piece: of this partial, or of the stored blob that it has become. */
  damaged(piece: number): Promise<void>
  /** Makes the file a stored blob with these proofs (`packProofs`), durably; without any, they are made when it is opened. */
  promote(file: PooledFile, proofs: Uint8Array | undefined): Promise<void>
  /** Deletes file and rows. */
  erase(): Promise<void>
  /** The partial is closed, whatever became of it. */
  closed(): Promise<void>
}

/** `committing` goes back to `open` when the commit fails. */
type State = 'open' | 'committing' | 'committed' | 'discarded' | 'disposed'

/** A partial and its open file. A write neither copies nor hashes: the caller passes verified bytes and their proof. */
export class DiskPartialBlob implements PartialBlob {
  readonly layout: PieceLayout
  readonly #have: Bitfield
  readonly #proofs: ProofTable
  readonly #file: PooledFile
  readonly #checked: CheckedFile
  readonly #keeper: PartialKeeper
  readonly #writes: InFlight
  readonly #reads: InFlight
  #state: State = 'open'
  #disposal: Promise<void> | undefined

  constructor(content: PartialContent, file: PooledFile, keeper: PartialKeeper) {
    this.layout = content.layout
    this.#have = content.have
    this.#proofs = content.proofs
    this.#file = file
    this.#checked = new CheckedFile({ layout: content.layout, file, proofs: (piece) => content.proofs.get(piece) })
    this.#keeper = keeper
    this.#writes = new InFlight(`the partial of ${content.layout.digest}`)
    this.#reads = new InFlight(`the partial of ${content.layout.digest}`)
  }

  get have(): ReadonlyBitfield {
    return this.#have
  }

  hash(piece: number): Uint8Array | undefined {
    return this.#have.has(piece) ? this.#proofs.get(piece)?.slice() : undefined
  }

  write(piece: number, bytes: Uint8Array, proof: Uint8Array): Promise<void> {
    return this.#writes.run(async () => {
      this.#requirePiece(piece, bytes, proof)
      // The same piece may come twice near the end of a transfer; it is there, also once committed.
      if (this.#have.has(piece)) return
      this.#requireOpen()
      const { start } = this.layout.range(piece)
      ownSeals.add(proof, bytes)
      await this.#keeper.write(bytes.length, () => writeFully(this.#file, bytes, start))
      if (!this.#have.set(piece)) return
      this.#proofs.set(piece, proof)
      this.#keeper.record(piece, bytes.length, proof)
    })
  }

  readInto(target: Uint8Array, offset: number): Promise<void> {
    return this.#reads.run(async () => {
      this.#requirePresent(offset, target.length)
      const damaged = await this.#checked.readInto(target, offset)
      if (damaged === undefined) return
      await this.#damaged(damaged)
      throw damagedError(this.layout, damaged)
    })
  }

  readUnchecked(target: Uint8Array, offset: number): Promise<void> {
    return this.#reads.run(async () => {
      this.#requirePresent(offset, target.length)
      await readFully(this.#file, target, offset).catch((error) => {
        throw storeError(error, `the partial of ${this.layout.digest} cannot be read`)
      })
    })
  }

  recheck(): Promise<number[]> {
    return this.#reads.run(async () => {
      const wrong: number[] = []
      const buffer = Buffer.allocUnsafeSlow(Math.min(this.layout.pieceSize, this.layout.size))
      for (let piece = 0; piece < this.layout.count; piece++) {
        if (!this.#have.has(piece)) continue
        const bytes = buffer.subarray(0, this.layout.length(piece))
        const damaged = await this.#checked.readInto(bytes, this.layout.range(piece).start)
        if (damaged === undefined) continue
        await this.#damaged(piece)
        wrong.push(piece)
      }
      return wrong
    })
  }

  async drop(pieces: Iterable<number>): Promise<void> {
    this.#requireOpen()
    for (const piece of pieces) this.#drop(piece)
  }

  commit(states?: Uint8Array): Promise<void> {
    return this.#keeper.exclusively(async () => {
      this.#requireOpen()
      if (!this.#have.complete) throw this.#failure(`${this.#have.length - this.#have.count} pieces are missing`)
      this.#state = 'committing'
      try {
        // A second write of a piece may still be under way.
        await this.#writes.idle()
        const packed = states ?? packProofs(this.layout, (piece) => this.#proofs.get(piece))
        await this.#keeper.promote(this.#file, packed)
        this.#state = 'committed'
      } catch (error) {
        this.#state = 'open'
        throw error
      }
    })
  }

  discard(): Promise<void> {
    return this.#keeper.exclusively(async () => {
      if (this.#state === 'discarded') return
      this.#requireOpen()
      this.#state = 'discarded'
      await this.#close()
      await this.#keeper.erase()
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#keeper.exclusively(async () => {
      if (this.#state !== 'discarded') await this.#close()
      this.#state = 'disposed'
      await this.#keeper.closed()
    })
    return this.#disposal
  }

  async #close(): Promise<void> {
    await Promise.all([this.#writes.close(), this.#reads.close()])
    await this.#file.close()
  }

  #drop(piece: number): boolean {
    if (!this.#have.clear(piece)) return false
    this.#keeper.record(piece, this.layout.length(piece), undefined)
    return true
  }

  /** What was dropped meanwhile, or is being closed, has been dealt with by whoever did it. */
  async #damaged(piece: number): Promise<void> {
    if (this.#state === 'open' ? this.#drop(piece) : this.#state === 'committed') await this.#keeper.damaged(piece)
  }

  #requirePresent(offset: number, length: number): void {
    requireWithin(this.layout.size, offset, length)
    if (length === 0) return
    const last = this.layout.pieceAt(offset + length - 1)
    for (let piece = this.layout.pieceAt(offset); piece <= last; piece++) {
      if (!this.#have.has(piece)) throw this.#failure(`piece ${piece} is not there yet`)
    }
  }

  #requirePiece(piece: number, bytes: Uint8Array, proof: Uint8Array): void {
    if (!Number.isInteger(piece) || piece < 0 || piece >= this.layout.count) throw this.#failure(`no piece ${piece}`)
    if (bytes.length !== this.layout.length(piece)) {
      throw this.#failure(`piece ${piece} has ${this.layout.length(piece)} bytes, not ${bytes.length}`)
    }
    if (!isProof(proof)) throw this.#failure(`a piece's proof does not have ${proof.length} bytes`)
  }

  #requireOpen(): void {
    if (this.#state !== 'open') throw this.#failure(`it is ${this.#state}`)
  }

  #failure(why: string): ShoalError {
    return new ShoalError('STORE_FAILED', `the partial of ${this.layout.digest}: ${why}`)
  }
}
