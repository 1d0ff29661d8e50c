import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import type { Digest } from '../oci/digest.ts'
import type { OriginChain } from '../origin/index.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import { proofOf } from '../piece/piece-proof.ts'
import type { LeecherEffect, LeecherEvent } from '../scheduler/index.ts'
import type { TransferMetrics } from './metrics.ts'
import type { PieceBuffers } from './piece-buffers.ts'
import type { Transfer } from './transfer.ts'

/** Ranges of one blob read from the origin at the same time. */
export const LANES_PER_BLOB = 4

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

/** Reads what the leecher's lanes ask for from the origin, and cuts the stream into pieces. */
export class OriginPort {
  readonly #deps: OriginPortDeps
  readonly #lanes = new Map<number, AbortController>()
  readonly #tasks = new Set<Promise<void>>()
  /** Which origins each transfer has bytes from: to be distrusted if its digest fails. */
  readonly #used = new WeakMap<Transfer, Set<string>>()
  readonly #lastError = new WeakMap<Transfer, ShoalError>()

  constructor(deps: OriginPortDeps) {
    this.#deps = deps
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
    let ok = false
    try {
      await this.#readRun(transfer, chain, first, count, signal)
      ok = true
    } catch (error) {
      if (!signal.aborted) this.#note(transfer, error)
    }
    this.#deps.drive({ type: 'fetchEnded', lane, ok })
  }

  #note(transfer: Transfer, error: unknown): void {
    this.#deps.logger.warn({ digest: transfer.digest, err: errorText(error) }, 'reading the origin failed')
    // a full disk, or an origin that is known to lie, is not made good by trying again
    if (isShoalError(error, 'STORE_DISK_FULL', 'STORE_FAILED', 'CONTENT_CORRUPT')) this.#deps.broken(transfer, error)
    else if (isShoalError(error)) this.#lastError.set(transfer, error)
  }

  async #readRun(
    transfer: Transfer,
    chain: OriginChain,
    first: number,
    count: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { layout, ref } = transfer
    const used = this.#used.get(transfer) ?? new Set()
    this.#used.set(transfer, used)
    const range = { start: layout.range(first).start, end: layout.range(first + count - 1).end }
    const chunks = await chain.readBlob({
      repository: ref.repository,
      authorization: ref.authorization,
      digest: layout.digest,
      range,
      size: layout.size,
      signal,
      onSource: (label) => used.add(label),
    })
    if (chunks === undefined) {
      throw new ShoalError('ORIGIN_UNKNOWN', `${ref.upstream}/${ref.repository} no longer has ${layout.digest}`)
    }
    let piece = first
    let filled = 0
    let buffer: Uint8Array<ArrayBuffer> | undefined = this.#buffer(layout, piece)
    try {
      for await (const chunk of chunks) {
        await this.#deps.limit.take(chunk.length, signal)
        await this.#deps.pace(layout.digest)?.take(chunk.length, signal)
        // a lane that was cancelled must leave no trace: its blob may have started over
        signal.throwIfAborted()
        this.#deps.metrics.received(transfer, 'origin', chunk.length)
        transfer.confirm()
        for (let taken = 0; taken < chunk.length && buffer !== undefined; ) {
          const part = chunk.subarray(taken, taken + buffer.length - filled)
          buffer.set(part, filled)
          taken += part.length
          filled += part.length
          if (filled < buffer.length) continue
          const full = buffer
          buffer = undefined
          await this.#keep(transfer, piece, full)
          signal.throwIfAborted()
          piece++
          filled = 0
          buffer = piece < first + count ? this.#buffer(layout, piece) : undefined
        }
      }
    } finally {
      if (buffer !== undefined) this.#deps.buffers.give(buffer)
    }
  }

  #buffer(layout: PieceLayout, piece: number): Uint8Array<ArrayBuffer> {
    return this.#deps.buffers.take(layout.pieceSize, layout.length(piece))
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
