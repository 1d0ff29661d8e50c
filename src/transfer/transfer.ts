import { raceAbort } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import type { ShoalError } from '../base/errors.ts'
import { isShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import { setBits } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PartialBlob } from '../store/index.ts'
import { MemoryPartial } from '../store/index.ts'
import { HashBook, sameBytes } from './hash-book.ts'
import type { LentPiece, PieceBuffers } from './piece-buffers.ts'
import { PrefixDigest } from './prefix-digest.ts'

/** Where received bytes came from. */
export type ReceivedFrom = 'peer' | 'home' | 'parent' | 'origin'

/** Which content is moved, in whose name. */
export interface TransferRef {
  readonly upstream: string
  readonly repository: string
  readonly digest: Digest
  /** A client's own proof, for content that only this host fetches in that client's name (`access: passthrough`). */
  readonly authorization?: string | undefined
}

/**
 * One blob on its way to this host: its pieces, their hashes and whose word those are, the proof of the whole, and who
 * waits for what. Asks for nothing itself.
 *
 * States: active -> proven -> closed, or active -> failed -> closed. A failed proof starts over within active.
 */
export class Transfer {
  /** The blob's number in the schedulers. */
  readonly blob: number
  readonly ref: TransferRef
  readonly layout: PieceLayout
  readonly partial: PartialBlob
  /** Some of it was on disk when it began, whoever it came for. */
  readonly resumed: boolean
  readonly book: HashBook
  readonly received: Record<ReceivedFrom, number> = { peer: 0, home: 0, parent: 0, origin: 0 }
  /** Wall clock, for people. */
  readonly startedEpochMs: number
  /** By the transfers' own clock, for durations. */
  readonly startedAt: number
  /** Set while the blob cannot be stored: how far ahead of its reader it is fetched lives with the scheduler. */
  readonly memory: MemoryPartial | undefined
  readonly #buffers: PieceBuffers
  readonly #digest: PrefixDigest
  readonly #closing = new AbortController()
  /** Hashes of the pieces a runtime has been given before the whole was proven. */
  readonly #handedOut = new Map<number, Uint8Array>()
  #suspectPieces = new Map<number, Uint8Array>()
  #change = Promise.withResolvers<void>()
  #failure: ShoalError | undefined
  #proven = false
  #tailTrusted = false
  #proofs = 0
  #ownFailures = 0
  /** The attempt whose proof has been settled. */
  #settled = -1
  #holds = 0
  #catchingUp = false
  #confirmed = false
  onIdle: (() => void) | undefined
  /** Told of pieces that the disk has changed: they are missing again. */
  onLost: ((pieces: readonly number[]) => void) | undefined
  onConfirmed: (() => void) | undefined

  /** `memory`: the partial itself, when the blob cannot be stored. */
  constructor(
    blob: number,
    ref: TransferRef,
    partial: PartialBlob | MemoryPartial,
    { buffers, clock }: { readonly buffers: PieceBuffers; readonly clock: Pick<Clock, 'now' | 'wall'> },
  ) {
    this.blob = blob
    this.startedEpochMs = clock.wall()
    this.startedAt = clock.now()
    this.ref = ref
    this.partial = partial
    this.resumed = partial.have.count > 0
    this.memory = partial instanceof MemoryPartial ? partial : undefined
    this.#buffers = buffers
    this.layout = partial.layout
    this.book = new HashBook(partial.layout)
    this.#digest = new PrefixDigest(partial.layout)
  }

  get digest(): Digest {
    return this.layout.digest
  }

  get proven(): boolean {
    return this.#proven
  }

  get failure(): ShoalError | undefined {
    return this.#failure
  }

  get signal(): AbortSignal {
    return this.#closing.signal
  }

  /** How often the whole content failed its digest so far. */
  get failedProofs(): number {
    return this.#proofs
  }

  /** How often of these it was this host's own proof that failed, and not its home that said so. */
  get ownFailures(): number {
    return this.#ownFailures
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

  /** Whether a piece is of use: not here, and not let go of. */
  wants(piece: number): boolean {
    return !this.partial.have.has(piece) && piece >= (this.memory?.start ?? 0)
  }

  /** Resolves once a piece that comes by itself may be kept: a window in memory goes only so far ahead of its reader. */
  async whenRoomFor(piece: number, signal: AbortSignal): Promise<void> {
    while (this.memory?.hasRoomFor(piece) === false) await this.whenChanged(signal)
  }

  get held(): boolean {
    return this.#holds > 0
  }

  /** Keeps the transfer going until disposed: a reader, or hosts of the region waiting at this home. */
  hold(): Disposable {
    this.#holds++
    let released = false
    return {
      [Symbol.dispose]: () => {
        if (released) return
        released = true
        this.#holds--
        if (this.#holds === 0) this.onIdle?.()
      },
    }
  }

  /** Pieces left by an earlier process match their own hashes; whether those are the right ones, a home must say. */
  recallHashes(): void {
    for (const piece of setBits(this.partial.have)) {
      const hashes = this.partial.hash(piece)
      if (hashes !== undefined) this.book.addRun({ first: piece, hashes }, 'word')
    }
  }

  /**
   * Keeps a verified piece: to disk, into the running proof, and to whoever waits. The buffer is free again afterwards.
   * False when the blob started over meanwhile: the piece belongs to the attempt that failed.
   */
  async store(piece: number, bytes: Uint8Array, sha256: Uint8Array): Promise<boolean> {
    const attempt = this.#proofs
    this.#buffers.forget(this.digest, [piece])
    this.#digest.offer(piece, bytes)
    await this.partial.write(piece, bytes, sha256)
    const kept = attempt === this.#proofs
    if (!kept) await this.#drop([piece])
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
      if (isShoalError(error, 'STORE_CORRUPT')) this.onLost?.([this.layout.pieceAt(offset)])
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

  /** Drops pieces whose hashes were overruled, and takes them out of the running proof. Answers which were here. */
  async overruled(pieces: readonly number[]): Promise<number[]> {
    const wrong = pieces.filter((piece) => this.partial.have.has(piece))
    if (this.memory === undefined && pieces.some((piece) => piece < this.#digest.next)) this.#digest.restart()
    await this.#drop(wrong)
    return wrong
  }

  /** Resolves at the next change; rejects with the transfer's failure or the signal's reason. */
  async whenChanged(signal: AbortSignal): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    await raceAbort(this.#change.promise, AbortSignal.any([signal, this.#closing.signal]))
  }

  /** Resolves true at the next change, false after `ms` or when the transfer closes. */
  async nextChange(ms: number): Promise<boolean> {
    const limit = AbortSignal.any([AbortSignal.timeout(Math.max(1, Math.ceil(ms))), this.#closing.signal])
    try {
      await raceAbort(this.#change.promise, limit)
      return true
    } catch {
      return false
    }
  }

  /** Wakes everybody who waits for something to change. */
  changed(): void {
    const change = this.#change
    this.#change = Promise.withResolvers<void>()
    change.resolve()
  }

  /**
   * Whether a runtime may be given this piece: it is here, its hash is this host's own or vouched for, and the last
   * piece only once the whole digest is proven, so that nobody ever completes a corrupt file.
   */
  servable(piece: number): boolean {
    if (!this.partial.have.has(piece)) return false
    if (this.#proven) return true
    const mayGo = piece < this.layout.count - 1 || this.#tailTrusted
    return mayGo && this.book.trusted(piece) && this.#sameAsHandedOut(piece)
  }

  /** Resolves once the piece may be given to a runtime. Rejects with the transfer's failure, or the signal's reason. */
  async whenServable(piece: number, signal: AbortSignal): Promise<void> {
    while (!this.servable(piece)) await this.whenChanged(signal)
  }

  handedOut(piece: number): void {
    if (this.#proven || this.#handedOut.has(piece)) return
    const hash = this.partial.hash(piece)
    if (hash !== undefined) this.#handedOut.set(piece, hash)
  }

  /**
   * After a failed proof: whether what was handed out before `piece` has turned out to be what belongs there.
   * Undefined while not all of it is back yet.
   */
  prefixConfirmed(piece: number): boolean | undefined {
    for (const [suspect, hash] of this.#suspectPieces) {
      if (suspect >= piece) continue
      const now = this.partial.have.has(suspect) ? this.partial.hash(suspect) : undefined
      if (now === undefined) return undefined
      if (!sameBytes(now, hash)) return false
    }
    return true
  }

  /** Whether a wrong prefix may be in some client's hands. */
  get tainted(): boolean {
    return this.#suspectPieces.size > 0 && this.prefixConfirmed(this.layout.count) !== true
  }

  /** Whether the proof can be carried on now. */
  get provable(): boolean {
    return this.#settled !== this.#proofs && (this.#digest.done || this.partial.have.has(this.#digest.next))
  }

  /**
   * Carries the proof on as far as pieces are there, then settles it: 'proven', 'corrupt', or 'partial' while pieces
   * are missing. One caller at a time does the work, and one per attempt gets the verdict; the others get 'partial'.
   */
  async prove(scratch: Uint8Array): Promise<'proven' | 'corrupt' | 'partial'> {
    if (this.#catchingUp || this.#settled === this.#proofs) return 'partial'
    this.#catchingUp = true
    try {
      const { have } = this.partial
      // again when a piece came in between the last look and here: its caller was told that somebody is at work
      do {
        await this.#digest.catchUp(have, scratch, (target, offset) => this.#readForProof(target, offset))
      } while (!this.#digest.done && have.has(this.#digest.next))
      if (this.#digest.done && have.complete && !this.#digest.proven() && (await this.#blamesDisk())) return 'partial'
    } finally {
      this.#catchingUp = false
    }
    // the hash may be ahead of the disk: a piece is hashed from memory while it is being written
    if (!this.#digest.done || !this.partial.have.complete) return 'partial'
    this.#settled = this.#proofs
    this.#proven = this.#digest.proven()
    this.changed()
    return this.#proven ? 'proven' : 'corrupt'
  }

  /** What the disk has changed makes the whole fail: not compared piece by piece, as nearly always nothing has. */
  async #readForProof(target: Uint8Array, offset: number): Promise<void> {
    if (!this.#recall(target, offset)) await this.partial.readUnchecked(target, offset)
  }

  /** After a failed digest: whether pieces have changed since they were checked. They go, and the proof begins again. */
  async #blamesDisk(): Promise<boolean> {
    const attempt = this.#proofs
    const lost = await this.partial.recheck()
    if (attempt !== this.#proofs || lost.length === 0) return attempt !== this.#proofs
    this.#digest.restart()
    this.onLost?.(lost)
    return true
  }

  /** A window that began in the middle of a blob has no whole to prove: its pieces' trusted hashes must do. */
  trustTail(): void {
    this.#tailTrusted = true
  }

  /** Lets go of what the reader of a window has passed and the proof has taken in. */
  passed(piece: number): void {
    if (this.memory === undefined) return
    this.memory.passed(this.#tailTrusted ? piece : Math.min(piece, this.#digest.next))
    this.changed()
  }

  /** The whole failed its digest: forgets every piece and every hash. What was handed out is remembered as suspect. */
  async startOver(isOwnProof = true): Promise<void> {
    this.#proofs++
    if (isOwnProof) this.#ownFailures++
    for (const [piece, hash] of this.#handedOut) this.#suspectPieces.set(piece, hash)
    this.#handedOut.clear()
    this.book.clear()
    this.#digest.restart()
    await this.#drop([...setBits(this.partial.have)])
  }

  fail(error: ShoalError): void {
    this.#failure ??= error
    this.changed()
  }

  /** Ends everything that waits on this transfer, and its reads from origins. */
  close(reason: unknown): void {
    this.#closing.abort(reason)
  }

  async #drop(pieces: readonly number[]): Promise<void> {
    this.#buffers.forget(this.digest, pieces)
    await this.partial.drop(pieces)
  }

  #sameAsHandedOut(piece: number): boolean {
    const suspect = this.#suspectPieces.get(piece)
    return suspect === undefined || this.prefixConfirmed(piece + 1) === true
  }
}
