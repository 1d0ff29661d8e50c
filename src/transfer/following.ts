import { LRUCache } from 'lru-cache'
import type { Digest } from '../oci/digest.ts'
import type { ByteRange, PieceLayout } from '../piece/piece-layout.ts'
import type { Active } from './active.ts'
import type { Engine } from './engine.ts'
import type { ReadTransfer } from './interface.ts'
import type { PieceRun, TransferMessage } from './messages.ts'
import { PartEnds } from './part-ends.ts'

/** A part for its own sake is no longer than this; longer ones are somebody's way to read it all. */
const PART_MOST_BYTES = 4 * 1024 * 1024
/** Blobs of which parts are read side by side. */
const ENDS_OF_BLOBS = 1_024

/** What somebody reads; `isPart`: for its own sake, and not to have the blob. */
export interface Reads extends ByteRange {
  readonly isPart?: boolean | undefined
}

/** One who reads a transfer, as long as it does. */
export interface Reading extends Disposable {
  /** It is at this byte now. */
  at(offset: number): void
}

/** The pieces that go before all others of a blob when this is read; undefined where order does well. */
export function awaitedBy(layout: PieceLayout, { start, end, isPart }: Reads): PieceRun | undefined {
  if (isPart !== true || end <= start || end - start > PART_MOST_BYTES || end > layout.size) return undefined
  const first = layout.pieceAt(start)
  return { first, count: layout.pieceAt(end - 1) - first + 1 }
}

/** Tells the scheduler where readers are, here and at members, and what they wait for. */
export class Following {
  readonly #engine: Engine
  readonly #ends = new LRUCache<Digest, PartEnds>({ max: ENDS_OF_BLOBS })

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Somebody reads `reads` of `transfer`: what it is at is urgent, and a window moves with its readers. */
  follow(transfer: ReadTransfer, reads: Reads): Reading {
    const { layout, window, blob } = transfer
    const { start, end } = reads
    const place = window?.open(layout.pieceAt(start), start === 0 && end === layout.size)
    const awaited = awaitedBy(layout, reads)
    const isPull = awaited === undefined || this.#goesOn(transfer.digest, reads)
    const active = this.#engine.actives.find(transfer.digest)
    if (isPull && active?.transfer === transfer) this.wantsWhole(active)
    if (awaited !== undefined) this.awaits(transfer, awaited)
    return {
      at: (offset) => {
        const piece = layout.pieceAt(offset)
        place?.move(piece)
        if (window !== undefined) transfer.changed()
        if (!isPull && window === undefined) return
        this.#engine.leecher.drive({ type: 'cursor', blob, piece: window?.first ?? piece })
      },
      [Symbol.dispose]: () => place?.[Symbol.dispose](),
    }
  }

  /** Somebody here or at a member wants all of it, and not only parts; `limit`: pieces that may come for now, undefined = all. */
  wantsWhole(active: Active, limit?: number): void {
    if (active.awaits === undefined) return
    active.wantsAll()
    this.#engine.leecher.drive({ type: 'steered', blob: active.transfer.blob, order: active.order, limit })
    // its home has parts only, too, until it is asked for the whole
    if (active.home !== undefined) this.#engine.ways.reroute(active)
  }

  /** Somebody waits for these pieces and no others. */
  awaits(transfer: ReadTransfer, run: PieceRun): void {
    const active = this.#engine.actives.find(transfer.digest)
    active?.awaitsNow(run)
    const about = { blob: transfer.blob, first: run.first, count: run.count }
    if (active?.shared === true) this.#engine.tracker.drive({ type: 'urgent', ...about })
    this.#engine.leecher.drive({ type: 'awaited', ...about })
  }

  /** A member, or a home of a region below, says what somebody waits for there. */
  urgent({ blob, first, count }: TransferMessage<'urgent'>): void {
    const active = this.#engine.actives.find(blob)
    if (active?.shared === true) this.awaits(active.transfer, { first, count })
  }

  /** Whether this reader of a part reads all of the blob. If not, where it ends is remembered. */
  isReadOn(digest: Digest, reads: Reads): boolean {
    return this.#ends.get(digest)?.has(reads.start) === true || this.#goesOn(digest, reads)
  }

  #goesOn(digest: Digest, { start, end }: Reads): boolean {
    const ends = this.#ends.get(digest) ?? new PartEnds()
    this.#ends.set(digest, ends)
    return ends.goesOn(start, end)
  }
}
