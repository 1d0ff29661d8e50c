import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import type { Span } from '../base/tracing.ts'
import { NO_SPAN } from '../base/tracing.ts'
import type { Digest } from '../oci/digest.ts'
import type { BlobRef } from '../oci/reference.ts'
import { setBits } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PartialBlob } from '../store/index.ts'
import { MemoryPartial } from '../store/index.ts'
import { HandedOut } from './handed-out.ts'
import { KeptProofs } from './kept-proofs.ts'
import { Lifetime } from './lifetime.ts'
import type { LentPiece, PieceBuffers } from './piece-buffers.ts'
import { PieceHashes } from './piece-hashes.ts'
import type { SharedWindow } from './shared-window.ts'
import { WholeProof } from './whole-proof.ts'

/** Where received bytes came from. */
export type ReceivedFrom = 'peer' | 'home' | 'parent' | 'origin'

/** Which content is moved, in whose name. */
export interface TransferRef extends BlobRef {
  /** A client's own proof, for content that only this host fetches in that client's name (`access: passthrough`). */
  readonly authorization?: string | undefined
}

interface TransferParts {
  readonly buffers: PieceBuffers
  readonly clock: Pick<Clock, 'now' | 'wall'>
  readonly window?: SharedWindow | undefined
  readonly span?: Span | undefined
}

/**
 * One blob on its way to this host: its pieces, their hashes and whose word those are, the proof of the whole, and who
 * waits for what. Asks for nothing itself.
 *
 * States: active -> proven -> closed, or active -> failed -> closed. A failed proof starts over within active.
 */
export class Transfer extends Lifetime {
  /** The blob's number in the schedulers. */
  readonly blob: number
  readonly ref: TransferRef
  readonly layout: PieceLayout
  readonly partial: PartialBlob
  /** Times it, where pulls are traced. */
  readonly span: Span
  /** Some of it was on disk when it began, whoever it came for. */
  readonly resumed: boolean
  readonly pieceHashes: PieceHashes
  readonly keptBy: KeptProofs
  readonly whole: WholeProof
  readonly received: Record<ReceivedFrom, number> = { peer: 0, home: 0, parent: 0, origin: 0 }
  /** Wall clock, for people. */
  readonly startedEpochMs: number
  /** By the transfers' own clock, for durations. */
  readonly startedAt: number
  /** Set while the blob cannot be stored: what of it is kept in memory. */
  readonly window: SharedWindow | undefined
  readonly #memory: MemoryPartial | undefined
  readonly #buffers: PieceBuffers
  readonly #handedOut: HandedOut
  #confirmed = false
  /** Told of pieces that the disk has changed: they are missing again. */
  onLost: ((pieces: readonly number[]) => void) | undefined
  onConfirmed: (() => void) | undefined

  /** `window`: of a blob that cannot be stored; its partial lies in memory. */
  constructor(
    blob: number,
    ref: TransferRef,
    partial: PartialBlob | MemoryPartial,
    { buffers, clock, window, span = NO_SPAN }: TransferParts,
  ) {
    super()
    this.blob = blob
    this.startedEpochMs = clock.wall()
    this.startedAt = clock.now()
    this.ref = ref
    this.partial = partial
    this.span = span
    this.resumed = partial.have.count > 0
    this.window = window
    this.#memory = partial instanceof MemoryPartial ? partial : undefined
    this.#buffers = buffers
    this.layout = partial.layout
    this.pieceHashes = new PieceHashes(partial.layout)
    this.keptBy = new KeptProofs({
      partial,
      pieceHashes: this.pieceHashes,
      readInto: (target, offset) => this.readInto(target, offset),
    })
    this.#handedOut = new HandedOut(partial)
    this.whole = new WholeProof({
      partial,
      isWindow: window !== undefined,
      read: (target, offset) => this.#readForProof(target, offset),
      lost: (pieces) => this.onLost?.(pieces),
    })
  }

  get digest(): Digest {
    return this.layout.digest
  }

  get proven(): boolean {
    return this.whole.proven
  }

  /** How often the whole content failed its digest so far. */
  get failedProofs(): number {
    return this.whole.attempt
  }

  /** How often of these it was this host's own proof that failed, and not its home that said so. */
  get ownFailures(): number {
    return this.whole.ownFailures
  }

  /** How often what runtimes have been given may have turned out wrong. */
  get retractions(): number {
    return this.whole.attempt + this.#handedOut.wrongs
  }

  /** Whether the tier or an origin has given this content to the repository of `ref`. */
  get confirmed(): boolean {
    return this.#confirmed
  }

  confirm(): void {
    if (this.#confirmed) return
    this.#confirmed = true
    this.onConfirmed?.()
    this.changed()
  }

  /**
   * Resolves once the content is known to be had: a source has said so, or some of it is here. Only then a client may be
   * told its size. Rejects with the transfer's failure, or the signal's reason.
   */
  async whenFound(signal: AbortSignal): Promise<void> {
    while (!this.#confirmed && this.partial.have.count === 0) await this.whenChanged(signal)
  }

  /** Whether a piece is of use. */
  wants(piece: number): boolean {
    return !this.partial.have.has(piece)
  }

  /** Resolves once a piece that comes by itself may be kept: a window in memory goes only so far ahead of its readers. */
  async whenRoomFor(piece: number, signal: AbortSignal): Promise<void> {
    while (this.window?.isTooFar(piece) === true) await this.whenChanged(signal)
  }

  /** Pieces left by an earlier process match their own proofs; whether those are the right ones, a home must say. */
  recallHashes(): void {
    for (const piece of setBits(this.partial.have)) {
      const proof = this.partial.hash(piece)
      if (proof !== undefined) this.pieceHashes.recall(piece, proof)
    }
  }

  /**
   * Keeps a verified piece: to disk, into the running proof, and to whoever waits. The buffer is free again afterwards.
   * False when the blob started over meanwhile: the piece belongs to the attempt that failed.
   */
  async store(piece: number, bytes: Uint8Array, proof: Uint8Array): Promise<boolean> {
    const { attempt } = this.whole
    this.#buffers.forget(this.digest, [piece])
    this.#handedOut.came(piece, bytes, proof)
    this.whole.offer(piece, bytes, proof)
    await this.partial.write(piece, bytes, proof)
    // from here on it is one of those that `KeptProofs.hashed` finds
    this.keptBy.came(piece, bytes, proof)
    const kept = attempt === this.whole.attempt
    if (!kept) await this.#drop([piece])
    await this.#letGo()
    this.changed()
    return kept
  }

  /**
   * Fills `target` from byte `offset` on, within one piece of `have`: from memory if it has just come, else from disk and
   * compared with its proof. Throws `STORE_CORRUPT` for a piece that the disk has changed: it will be fetched again.
   */
  async readInto(target: Uint8Array, offset: number): Promise<void> {
    if (this.#recall(target, offset)) return
    try {
      await this.partial.readInto(target, offset)
    } catch (error) {
      if (isShoalError(error, 'STORE_CORRUPT')) {
        const piece = this.layout.pieceAt(offset)
        // what comes in its place has to be what the whole is proven with
        if (this.window === undefined && piece < this.whole.next) this.whole.restart()
        this.onLost?.([piece])
      }
      throw error
    }
  }

  #recall(target: Uint8Array, offset: number): boolean {
    const piece = this.layout.pieceAt(offset)
    const start = offset - this.layout.range(piece).start
    return this.partial.have.has(piece) && this.#buffers.recall(this.digest, piece, start, target)
  }

  /** A piece of `have` where it lies in memory, if it has just come. */
  lend(piece: number): LentPiece | undefined {
    return this.partial.have.has(piece) ? this.#buffers.lend(this.digest, piece) : undefined
  }

  /** Drops pieces whose hashes were overruled, and takes them out of the running proof. Returns which were here. */
  async overruled(pieces: readonly number[]): Promise<number[]> {
    const wrong = pieces.filter((piece) => this.partial.have.has(piece))
    if (this.window === undefined && pieces.some((piece) => piece < this.whole.next)) this.whole.restart()
    await this.#drop(wrong)
    return wrong
  }

  /**
   * Whether a runtime may be given this piece: it is here, its proof is this host's own or vouched for, and the last
   * piece only once the whole digest is proven, so that nobody ever completes a corrupt file. `isPart`: the reader has
   * asked for a part, and what it reads ends nothing: the hash of the last piece is as good as that of any other.
   */
  servable(piece: number, isPart = false): boolean {
    if (!this.partial.have.has(piece)) return false
    if (this.proven) return true
    const mayGo = piece < this.layout.count - 1 || isPart
    const proof = this.partial.hash(piece)
    return mayGo && proof !== undefined && this.pieceHashes.trusts(piece, proof) && this.#handedOut.isSame(piece)
  }

  /** Resolves once the piece may be given to a runtime. Rejects with the transfer's failure, or the signal's reason. */
  async whenServable(piece: number, isPart: boolean, signal: AbortSignal): Promise<void> {
    while (!this.servable(piece, isPart)) await this.whenChanged(signal)
  }

  handedOut(piece: number): void {
    if (!this.proven) this.#handedOut.note(piece)
  }

  /**
   * After a failed proof: whether what was handed out before `piece` has turned out to be what belongs there.
   * Undefined while not all of it is back yet.
   */
  prefixConfirmed(piece: number): boolean | undefined {
    return this.#handedOut.confirmed(piece)
  }

  /** Whether a wrong prefix may be in some client's hands. */
  get tainted(): boolean {
    return this.#handedOut.isTainted
  }

  /** Whether the proof can be carried on now. */
  get provable(): boolean {
    return this.whole.canGoOn
  }

  /**
   * Carries the proof on as far as pieces are there, then settles it: 'proven', 'corrupt', or 'partial' while pieces
   * are missing. One caller at a time does the work, and one per attempt gets the verdict; the others get 'partial'.
   */
  async prove(scratch: Uint8Array): Promise<'proven' | 'corrupt' | 'partial'> {
    const outcome = await this.whole.carryOn(scratch)
    if (outcome !== 'partial') this.changed()
    return outcome
  }

  /** What the disk has changed makes the whole fail: not compared piece by piece, as nearly always nothing has. */
  async #readForProof(target: Uint8Array, offset: number): Promise<void> {
    if (!this.#recall(target, offset)) await this.partial.readUnchecked(target, offset)
  }

  /** The whole failed its digest: forgets every piece and every hash. What was handed out is remembered as suspect. */
  async startOver(isOwnProof = true): Promise<void> {
    this.whole.fail(isOwnProof)
    this.#handedOut.suspect()
    this.pieceHashes.clear()
    await this.#drop([...setBits(this.partial.have)])
  }

  /** A window in memory keeps only so much. What goes may be fetched again. */
  async #letGo(): Promise<void> {
    if (this.window === undefined || this.#memory === undefined) return
    const pieces = this.window.excess(this.#memory.kept, this.whole.next)
    if (pieces.length === 0) return
    await this.#drop(pieces)
    this.onLost?.(pieces)
  }

  async #drop(pieces: readonly number[]): Promise<void> {
    this.#buffers.forget(this.digest, pieces)
    await this.partial.drop(pieces)
  }
}
