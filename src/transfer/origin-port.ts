import type { ErrorCode } from '../base/errors.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import type { Digest } from '../oci/digest.ts'
import type { OriginChain } from '../origin/index.ts'
import { proofOf } from '../piece/piece-proof.ts'
import type { LeecherEffect, LeecherEvent, RangeFailure } from '../scheduler/index.ts'
import { HalfPieces } from './half-pieces.ts'
import type { TransferMetrics } from './metrics.ts'
import type { PieceBuffers } from './piece-buffers.ts'
import { PieceCutter } from './piece-cutter.ts'
import type { Transfer } from './transfer.ts'

/** Ranges of one blob read from the origin at the same time. */
const LANES_PER_BLOB = 4
/** Under a limit no more of them than get this much each: more would bring the same, later each. */
const LIMITED_LANE_BYTES_PER_SEC = 2 * 1024 * 1024
/** No origin may put a blob off for longer than this with Retry-After. */
const RETRY_AFTER_MOST_MS = 30_000
/** What asking again would not change. */
const FINAL: readonly ErrorCode[] = ['ORIGIN_UNKNOWN', 'ORIGIN_DENIED', 'ORIGIN_CHANGED']
const CUT_OFF: RangeFailure = { final: false, retryAfterMs: 0 }

interface Run {
  readonly lane: number
  readonly first: number
  readonly count: number
  readonly signal: AbortSignal
}

export interface OriginPortDeps {
  readonly logger: Logger
  readonly metrics: TransferMetrics
  readonly buffers: PieceBuffers
  readonly limit: RateLimiter
  /** A further limit for this blob, while there is one. */
  readonly pace: (digest: Digest) => RateLimiter | undefined
  readonly drive: (event: LeecherEvent) => void
  readonly stored: (transfer: Transfer, piece: number) => void
  readonly broken: (transfer: Transfer, error: unknown) => void
}

/** Ranges of one blob at the same time under a limit of so many bytes per second; 0 for none. */
export function lanesAt(bytesPerSec: number): number {
  if (bytesPerSec === 0) return LANES_PER_BLOB
  return Math.min(LANES_PER_BLOB, Math.max(1, Math.floor(bytesPerSec / LIMITED_LANE_BYTES_PER_SEC)))
}

/** Reads what the leecher's lanes ask for from the origin, and cuts the stream into pieces. */
export class OriginPort {
  readonly #deps: OriginPortDeps
  readonly #lanes = new Map<number, AbortController>()
  readonly #tasks = new Set<Promise<void>>()
  /** Which origins each transfer has bytes from: to be distrusted if its digest fails. */
  readonly #used = new WeakMap<Transfer, Set<string>>()
  readonly #lastError = new WeakMap<Transfer, ShoalError>()
  readonly #halves: HalfPieces

  constructor(deps: OriginPortDeps) {
    this.#deps = deps
    this.#halves = new HalfPieces(deps.buffers)
  }

  usedBy(transfer: Transfer): ReadonlySet<string> {
    return this.#used.get(transfer) ?? new Set()
  }

  lastError(transfer: Transfer): ShoalError | undefined {
    return this.#lastError.get(transfer)
  }

  fetch(transfer: Transfer, chain: OriginChain, effect: Extract<LeecherEffect, { type: 'fetch' }>): void {
    const abort = new AbortController()
    this.#lanes.set(effect.lane, abort)
    const signal = AbortSignal.any([abort.signal, transfer.signal])
    const task = this.#read(transfer, chain, effect, signal).finally(() => {
      this.#lanes.delete(effect.lane)
      this.#tasks.delete(task)
    })
    this.#tasks.add(task)
  }

  cancel(lane: number): void {
    this.#lanes.get(lane)?.abort(new DOMException('another lane reads this', 'AbortError'))
  }

  /** The transfer has ended. */
  forget(transfer: Transfer): void {
    this.#halves.forget(transfer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const lane of this.#lanes.values()) lane.abort(new DOMException('stopping', 'AbortError'))
    await Promise.allSettled(this.#tasks)
  }

  /** Never rejects. */
  async #read(
    transfer: Transfer,
    chain: OriginChain,
    { lane, first, count }: { lane: number; first: number; count: number },
    signal: AbortSignal,
  ): Promise<void> {
    let failure: RangeFailure | undefined
    try {
      await this.#readRun(transfer, chain, { lane, first, count, signal })
    } catch (error) {
      failure = signal.aborted ? CUT_OFF : this.#note(transfer, error)
    }
    this.#deps.drive({ type: 'fetchEnded', lane, failure })
  }

  #note(transfer: Transfer, error: unknown): RangeFailure {
    this.#deps.logger.warn({ digest: transfer.digest, err: errorText(error) }, 'reading the origin failed')
    // a full disk, or an origin that is known to lie, is not made good by trying again
    if (isShoalError(error, 'STORE_DISK_FULL', 'STORE_FAILED', 'CONTENT_CORRUPT')) this.#deps.broken(transfer, error)
    else if (isShoalError(error)) this.#lastError.set(transfer, error)
    const asked = isShoalError(error) ? error.details.retryAfterMs : undefined
    const retryAfterMs = typeof asked === 'number' ? Math.min(asked, RETRY_AFTER_MOST_MS) : 0
    return { final: isShoalError(error, ...FINAL), retryAfterMs }
  }

  async #readRun(transfer: Transfer, chain: OriginChain, run: Run): Promise<void> {
    const { layout, failedProofs } = transfer
    const { first, signal } = run
    const half = this.#halves.take(transfer, first)
    const source = await this.#ask(transfer, chain, run, half?.filled ?? 0).catch((error: unknown) => {
      this.#halves.keep(transfer, failedProofs, half)
      throw error
    })
    if (source.whole && half !== undefined) this.#deps.buffers.give(half.buffer)
    const wanted = (piece: number): boolean => transfer.wants(piece)
    const start = source.whole ? 0 : (half ?? first)
    const cutter = new PieceCutter({ layout, buffers: this.#deps.buffers, wanted }, start)
    try {
      for await (const chunk of source.chunks) {
        await this.#deps.limit.take(chunk.length, signal)
        await this.#deps.pace(layout.digest)?.take(chunk.length, signal)
        // a lane that was cancelled must leave no trace: its blob may have started over
        signal.throwIfAborted()
        this.#deps.metrics.received(transfer, 'origin', chunk.length)
        for (const { piece, bytes } of cutter.cut(chunk)) {
          await this.#keep(transfer, piece, bytes)
          signal.throwIfAborted()
          if (source.whole) await transfer.whenRoomFor(piece + 1, signal)
        }
        this.#deps.drive({ type: 'fetchProgress', lane: run.lane, bytes: chunk.length })
      }
    } finally {
      this.#halves.keep(transfer, failedProofs, cutter.rest())
    }
  }

  /** Opens a range, from byte `offset` of its first piece on. An origin that ignores Range may send the whole instead. */
  async #ask(
    transfer: Transfer,
    chain: OriginChain,
    { lane, first, count, signal }: Run,
    offset: number,
  ): Promise<{ readonly chunks: AsyncIterable<Uint8Array>; readonly whole: boolean }> {
    const { layout, ref } = transfer
    const used = this.#used.get(transfer) ?? new Set()
    this.#used.set(transfer, used)
    const range = { start: layout.range(first).start + offset, end: layout.range(first + count - 1).end }
    let whole = false
    const chunks = await chain.readBlob({
      repository: ref.repository,
      authorization: ref.authorization,
      digest: layout.digest,
      range,
      size: layout.size,
      signal,
      onSource: (label) => used.add(label),
      onWhole: () => {
        whole = true
      },
    })
    if (chunks === undefined) {
      throw new ShoalError('ORIGIN_UNKNOWN', `${ref.upstream}/${ref.repository} has no ${layout.digest}`)
    }
    transfer.confirm()
    this.#deps.drive({ type: 'fetchBegan', lane, whole })
    return { chunks, whole }
  }

  /** Stores a piece and gives its buffer back. */
  async #keep(transfer: Transfer, piece: number, buffer: Uint8Array<ArrayBuffer>): Promise<void> {
    let kept = false
    try {
      // a neighbour may have brought the piece while this range was under way
      if (transfer.partial.have.has(piece)) return
      const sha256 = proofOf(buffer)
      transfer.book.setOwn(piece, sha256)
      kept = await transfer.store(piece, buffer, sha256)
    } finally {
      this.#deps.buffers.give(buffer, kept ? { blob: transfer.digest, piece } : undefined)
    }
    if (!kept) return
    this.#deps.drive({ type: 'stored', blob: transfer.blob, piece, id: undefined })
    this.#deps.stored(transfer, piece)
  }
}
