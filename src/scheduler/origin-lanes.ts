import type { Download } from './download.ts'
import type { LeecherEffect, LeecherOptions } from './leecher-types.ts'
import type { RangeFailure } from './origin-state.ts'
import { Pace } from './pace.ts'
import type { Alternative, RangeView } from './stragglers.ts'
import { isStraggler, isWorthSharing, patienceMs } from './stragglers.ts'

interface Lane {
  readonly id: number
  readonly download: Download
  /** Pieces it is to bring. */
  readonly left: Set<number>
  readonly askedAt: number
  /** Since the origin began to answer; undefined before. */
  began: { readonly at: number; readonly pace: Pace } | undefined
  /** Bytes of the piece it is at. */
  partial: number
  /** Whether others bring, or have brought, pieces that it was asked for. */
  shared: boolean
}

/** An answer that ended early without saying why. */
const CUT: RangeFailure = { final: false, retryAfterMs: 0 }

/**
 * Parallel ranged reads of the origin: which run each reads, and which is not worth waiting for. Nothing that has come is
 * asked for again: a range is only ever shortened by what others bring, or dropped while another way is faster now.
 */
export class OriginLanes {
  readonly #options: LeecherOptions
  readonly #lanes = new Map<number, Lane>()
  #nextLane = 1

  constructor(options: LeecherOptions) {
    this.#options = options
  }

  /**
   * Starts lanes while the blob may have more and there is a run left to read. Pulls do not wait for lanes of the
   * background: these may be held back to a job's rate.
   */
  fill(download: Download, usable: (source: number) => boolean, now: number, out: LeecherEffect[]): void {
    const { origin, spec } = download
    while (origin.active < origin.lanes && this.#beside(download) < this.#options.hostLanes && origin.retryAt <= now) {
      const most = Math.floor(origin.runBytes(this.#options.laneBytes) / spec.pieceBytes)
      const run = download.nextRun(Math.max(1, most), usable) ?? this.#share(download, now, out)
      if (run === undefined) return
      this.#open(download, run, now, out)
    }
  }

  /** The origin answers a range; `whole`: with everything, from the first byte on. */
  began(id: number, whole: boolean, now: number, out: LeecherEffect[]): void {
    const lane = this.#lanes.get(id)
    if (lane === undefined || lane.began !== undefined) return
    const { download } = lane
    lane.began = { at: now, pace: new Pace(now) }
    download.origin.began(now - lane.askedAt)
    download.origin.takesRanges = true
    if (!whole) return
    download.origin.sequential = true
    for (const other of this.#of(download)) if (other !== lane) this.#cancel(other, out)
    for (let piece = 0; piece < download.spec.pieces; piece++) {
      if (!download.isIdle(piece)) continue
      lane.left.add(piece)
      download.take(piece)
    }
  }

  progress(id: number, bytes: number, now: number, out: LeecherEffect[]): void {
    const lane = this.#lanes.get(id)
    if (lane === undefined) return
    this.began(id, false, now, out)
    lane.began?.pace.came(bytes, now)
    lane.partial = (lane.partial + bytes) % lane.download.spec.pieceBytes
    lane.download.origin.came()
    lane.download.progress(bytes, now)
  }

  /** A piece is here, from wherever: its lanes no longer owe it. */
  stored(download: Download, piece: number, byOrigin: boolean, out: LeecherEffect[]): void {
    if (byOrigin) download.origin.came()
    for (const lane of this.#of(download)) {
      if (!lane.left.delete(piece)) continue
      download.release(piece)
      lane.shared ||= !byOrigin
      // what follows on its connection is of no use to anybody
      if (lane.left.size === 0 && lane.shared) this.#cancel(lane, out)
    }
  }

  ended(id: number, failure: RangeFailure | undefined, now: number, out: LeecherEffect[]): void {
    const lane = this.#lanes.get(id)
    if (lane === undefined) return
    // an answer that ends early is no success, whatever it says
    const why = failure ?? (lane.left.size > 0 ? CUT : undefined)
    this.#close(lane)
    const { blob, origin } = lane.download
    origin.ended(lane.began?.pace.most(now) ?? 0)
    const verdict = why === undefined ? 'again' : origin.failed(why, now)
    if (verdict !== 'again') out.push({ type: 'originFailed', blob, refused: verdict === 'refused' })
  }

  /** Drops stragglers: what they still owe is read by another lane, from the byte they have reached. */
  tick(now: number, out: LeecherEffect[]): void {
    for (const lane of [...this.#lanes.values()]) {
      const { download } = lane
      const isWaitedFor = lane.left.has(download.cursor) || download.nothingIdle
      if (!isWaitedFor || download.origin.lanes === 1) continue
      if (!isStraggler(viewOf(lane, now), this.#otherThan(lane, now), patienceMs(download.origin.drops))) continue
      download.origin.drops++
      this.#cancel(lane, out)
    }
  }

  /** Ends all lanes of a blob. */
  closeAll(download: Download, out: LeecherEffect[]): void {
    for (const lane of this.#of(download)) this.#cancel(lane, out)
  }

  #open(download: Download, run: { first: number; count: number }, now: number, out: LeecherEffect[]): void {
    const fields = { began: undefined, partial: 0, shared: false }
    const lane: Lane = { id: this.#nextLane++, download, left: new Set(), askedAt: now, ...fields }
    for (let piece = run.first; piece < run.first + run.count; piece++) {
      lane.left.add(piece)
      download.take(piece)
    }
    this.#lanes.set(lane.id, lane)
    download.origin.active++
    out.push({ type: 'fetch', blob: download.blob, lane: lane.id, first: run.first, count: run.count })
  }

  /** With nothing else to read: the second half of what a slow lane still owes, which it then no longer does. */
  #share(download: Download, now: number, out: LeecherEffect[]): { first: number; count: number } | undefined {
    for (const lane of this.#of(download)) {
      if (lane.left.size < 2 || !isWorthSharing(viewOf(lane, now), this.#otherThan(lane, now))) continue
      const left = [...lane.left].sort((a, b) => a - b)
      const first = left[Math.ceil(left.length / 2)]!
      let count = 0
      while (lane.left.delete(first + count)) download.release(first + count++)
      lane.shared = true
      if (lane.left.size === 0) this.#cancel(lane, out)
      return { first, count }
    }
    return undefined
  }

  /** What another range of the same blob would be like, by those there are and those that have just ended. */
  #otherThan(lane: Lane, now: number): Alternative {
    const { download } = lane
    let pace = 0
    for (const other of this.#of(download)) if (other !== lane) pace = Math.max(pace, other.began?.pace.least(now) ?? 0)
    return { waitMs: download.origin.waitMs, pace: pace > 0 ? pace : download.origin.pace }
  }

  #of(download: Download): Lane[] {
    return [...this.#lanes.values()].filter((lane) => lane.download === download)
  }

  /** Lanes that one more of a blob would have to share the host's with. */
  #beside({ background }: Download): number {
    if (background) return this.#lanes.size
    let pulls = 0
    for (const lane of this.#lanes.values()) if (!lane.download.background) pulls++
    return pulls
  }

  #cancel(lane: Lane, out: LeecherEffect[]): void {
    this.#close(lane)
    out.push({ type: 'cancelFetch', lane: lane.id })
  }

  #close(lane: Lane): void {
    this.#lanes.delete(lane.id)
    lane.download.origin.active--
    for (const piece of lane.left) lane.download.release(piece)
  }
}

function viewOf({ left, download, partial, began }: Lane, now: number): RangeView {
  return {
    leftBytes: Math.max(1, left.size * download.spec.pieceBytes - partial),
    pace: began?.pace.most(now),
    ageMs: began === undefined ? 0 : now - began.at,
  }
}
