import type { ErrorCode } from '../base/errors.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { TaskGroup } from '../base/task-group.ts'
import type { OriginChain } from '../origin/index.ts'
import type { LeecherEffect, RangeFailure } from '../scheduler/index.ts'
import { Allowance } from './allowance.ts'
import type { RunEffect } from './engine-effect.ts'
import { HalfPieces } from './half-pieces.ts'
import type { LeecherPort } from './leecher-port.ts'
import type { TransferMetrics } from './metrics.ts'
import type { OriginLimits } from './origin-limits.ts'
import type { PieceBuffers } from './piece-buffers.ts'
import { PieceCutter } from './piece-cutter.ts'
import type { Transfer } from './transfer.ts'

/** No origin may put a blob off for longer than this with Retry-After. */
const RETRY_AFTER_MOST_MS = 30_000
/** What asking again would not change. */
const FINAL: readonly ErrorCode[] = ['ORIGIN_UNKNOWN', 'ORIGIN_DENIED', 'ORIGIN_CHANGED']
const CUT_OFF: RangeFailure = { final: false, retryAfterMs: 0 }

interface Run {
  readonly range: number
  readonly first: number
  readonly count: number
  readonly signal: AbortSignal
}

interface OriginPortDeps {
  readonly logger: Logger
  readonly metrics: TransferMetrics
  readonly buffers: PieceBuffers
  readonly limits: Pick<OriginLimits, 'of'>
  readonly leecher: Pick<LeecherPort, 'drive'>
  readonly run: RunEffect
}

/** Reads the ranges that the leecher asks for from the origin, and cuts the stream into pieces. */
export class OriginPort {
  readonly #deps: OriginPortDeps
  readonly #ranges = new Map<number, AbortController>()
  readonly #tasks: TaskGroup
  /** Which origins each transfer has bytes from: to be distrusted if its digest fails. */
  readonly #used = new WeakMap<Transfer, Set<string>>()
  readonly #lastError = new WeakMap<Transfer, ShoalError>()
  readonly #halves: HalfPieces

  constructor(deps: OriginPortDeps) {
    this.#deps = deps
    this.#halves = new HalfPieces(deps.buffers)
    this.#tasks = new TaskGroup(deps.logger)
  }

  usedBy(transfer: Transfer): ReadonlySet<string> {
    return this.#used.get(transfer) ?? new Set()
  }

  lastError(transfer: Transfer): ShoalError | undefined {
    return this.#lastError.get(transfer)
  }

  fetch(transfer: Transfer, chain: OriginChain, effect: Extract<LeecherEffect, { type: 'fetch' }>): void {
    const abort = new AbortController()
    this.#ranges.set(effect.range, abort)
    const signal = AbortSignal.any([abort.signal, transfer.signal])
    void this.#tasks.run('reading a range failed', () =>
      this.#read(transfer, chain, effect, signal).finally(() => this.#ranges.delete(effect.range)),
    )
  }

  cancel(range: number): void {
    this.#ranges.get(range)?.abort(new DOMException('another range reads this', 'AbortError'))
  }

  /** The transfer has ended. */
  forget(transfer: Transfer): void {
    this.#halves.forget(transfer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const range of this.#ranges.values()) range.abort(new DOMException('stopping', 'AbortError'))
    await this.#tasks.settled()
  }

  /** Never rejects. */
  async #read(
    transfer: Transfer,
    chain: OriginChain,
    { range, first, count }: { range: number; first: number; count: number },
    signal: AbortSignal,
  ): Promise<void> {
    let failure: RangeFailure | undefined
    const span = transfer.span.child('origin range', { first, count })
    try {
      await this.#readRun(transfer, chain, { range, first, count, signal })
      span.end()
    } catch (error) {
      failure = signal.aborted ? CUT_OFF : this.#note(transfer, error)
      span.end(signal.aborted ? 'given up' : errorText(error))
    }
    this.#deps.leecher.drive({ type: 'fetchEnded', range, failure })
  }

  #note(transfer: Transfer, error: unknown): RangeFailure {
    this.#deps.logger.warn({ digest: transfer.digest, err: error }, 'reading the origin failed')
    // a full disk, or an origin that is known to lie, is not made good by trying again
    if (isShoalError(error, 'STORE_DISK_FULL', 'STORE_FAILED', 'CONTENT_CORRUPT'))
      this.#deps.run({ type: 'broken', transfer, error })
    else if (isShoalError(error)) this.#lastError.set(transfer, error)
    const asked = isShoalError(error) ? error.details.retryAfterMs : undefined
    const retryAfterMs = typeof asked === 'number' ? Math.min(asked, RETRY_AFTER_MOST_MS) : 0
    return { final: isShoalError(error, ...FINAL), retryAfterMs }
  }

  async #readRun(transfer: Transfer, chain: OriginChain, run: Run): Promise<void> {
    const { layout, failedProofs } = transfer
    const { first, count, signal } = run
    using allowance = new Allowance(() => this.#deps.limits.of(layout.digest))
    await allowance.ahead(layout.range(first + count - 1).end - layout.range(first).start, signal)
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
        await allowance.came(chunk.length, signal)
        // a range that was cancelled must leave no trace: its blob may have started over
        signal.throwIfAborted()
        this.#deps.metrics.received(transfer, 'origin', chunk.length)
        for (const { piece, bytes } of cutter.cut(chunk)) {
          await this.#keep(transfer, piece, bytes)
          // what has come already is kept where only the rest is another's to read: it would be read twice
          if (failedProofs !== transfer.failedProofs || transfer.signal.aborted) signal.throwIfAborted()
          if (source.whole) await transfer.whenRoomFor(piece + 1, signal)
        }
        signal.throwIfAborted()
        this.#deps.leecher.drive({ type: 'fetchProgress', range: run.range, bytes: chunk.length })
      }
    } finally {
      this.#halves.keep(transfer, failedProofs, cutter.rest())
    }
  }

  /** Opens a range, from byte `offset` of its first piece on. An origin that ignores Range may send the whole instead. */
  async #ask(
    transfer: Transfer,
    chain: OriginChain,
    run: Run,
    offset: number,
  ): Promise<{ readonly chunks: AsyncIterable<Uint8Array>; readonly whole: boolean }> {
    const { layout, ref } = transfer
    const { first, count, signal } = run
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
      onAsked: () => this.#deps.leecher.drive({ type: 'fetchAsked', range: run.range }),
      onWhole: () => {
        whole = true
      },
    })
    if (chunks === undefined) {
      throw new ShoalError('ORIGIN_UNKNOWN', `${ref.upstream}/${ref.repository} has no ${layout.digest}`)
    }
    transfer.confirm()
    this.#deps.leecher.drive({ type: 'fetchBegan', range: run.range, whole })
    return { chunks, whole }
  }

  /** Stores a piece and gives its buffer back. */
  async #keep(transfer: Transfer, piece: number, buffer: Uint8Array<ArrayBuffer>): Promise<void> {
    let kept = false
    try {
      // a neighbour may have brought the piece while this range was under way
      if (transfer.partial.have.has(piece)) return
      const proof = transfer.whole.ownProof(piece, buffer)
      transfer.pieceHashes.setOwn(piece, proof)
      kept = await transfer.store(piece, buffer, proof)
    } finally {
      this.#deps.buffers.give(buffer, kept ? { blob: transfer.digest, piece } : undefined)
    }
    if (!kept) return
    this.#deps.leecher.drive({ type: 'stored', blob: transfer.blob, piece, id: undefined })
    this.#deps.run({ type: 'kept', transfer, piece })
  }
}
