import type { Download } from './download.ts'
import type { LeecherEffect, LeecherOptions } from './leecher-types.ts'
import type { OriginRange } from './origin-range.ts'
import { isLate, paceOf, viewOf } from './origin-range.ts'
import { awaitedRun, nextRun } from './origin-runs.ts'
import type { RangeFailure } from './origin-state.ts'
import { Pace } from './pace.ts'
import { RangeGrowth } from './range-growth.ts'
import type { Alternative } from './stragglers.ts'
import { isStraggler, isWorthSharing, patienceMs } from './stragglers.ts'
import { TotalPace } from './total-pace.ts'

/** Ranges beside the others of a blob for what its readers wait for. */
const AWAITED_RANGES = 4

/** An answer that ended early without saying why. */
const CUT: RangeFailure = { final: false, retryAfterMs: 0 }

/**
 * Parallel ranged reads of the origin: which run each reads, and which is not worth waiting for. Nothing that has come is
 * asked for again: a range is only ever shortened by what others bring, or dropped while another way is faster now.
 */
export class OriginRanges {
  readonly #options: LeecherOptions
  readonly #ranges = new Map<number, OriginRange>()
  readonly #growth = new RangeGrowth()
  readonly #total = new TotalPace()
  #nextRange = 1

  constructor(options: LeecherOptions) {
    this.#options = options
  }

  /**
   * Starts ranges while the blob may have more and there is a run left to read. Pulls do not wait for ranges of the
   * background: these may be held back to a job's rate.
   */
  fill(download: Download, usable: (source: number) => boolean, now: number, out: LeecherEffect[]): void {
    const { origin, spec } = download
    this.#fillAwaited(download, usable, now, out)
    this.#fillRest(download, usable, now, out)
    while (this.#hasRoom(download) && origin.retryAt <= now) {
      const most = Math.floor(origin.runBytes / spec.pieceBytes)
      const run = nextRun(download, Math.max(1, most), usable) ?? this.#share(download, now, out)
      if (run === undefined) return
      this.#open(download, run, now, out)
    }
  }

  /** A range is asked for only now. */
  asked(id: number, now: number): void {
    const range = this.#ranges.get(id)
    if (range === undefined || range.began !== undefined) return
    range.askedAt = now
    range.asked = true
  }

  /** Of an origin that is late with its first byte, all the rest, in one range more than it may have. */
  #fillRest(download: Download, usable: (source: number) => boolean, now: number, out: LeecherEffect[]): void {
    const { origin, spec } = download
    const mayAsk = origin.mayGrow && origin.waitMs === 0 && origin.active === origin.ranges && origin.retryAt <= now
    if (!mayAsk || !isLate(this.#of(download), now)) return
    const run = nextRun(download, spec.pieces, usable)
    if (run !== undefined) this.#open(download, run, now, out)
  }

  /** What a reader waits for is read at once, beside all else: it is little, and not had before the reader goes on. */
  #fillAwaited(download: Download, usable: (source: number) => boolean, now: number, out: LeecherEffect[]): void {
    const { origin, spec } = download
    if (origin.sequential || origin.retryAt > now) return
    const most = Math.max(1, Math.floor(origin.rangeBytes / spec.pieceBytes))
    while (this.#admitsAwaited(download)) {
      const run = awaitedRun(download, most, usable, (piece) => this.#makeWay(download, piece, out))
      if (run === undefined) return
      this.#open(download, run, now, out, true)
    }
  }

  #admitsAwaited(download: Download): boolean {
    const { origin } = download
    if (!origin.takesMore) return origin.active < origin.ranges
    return this.#of(download).filter(({ awaited }) => awaited).length < AWAITED_RANGES
  }

  /** Ends a range before a piece that it would come to only after others. Whether it is nobody's now. */
  #makeWay(download: Download, piece: number, out: LeecherEffect[]): boolean {
    const range = this.#of(download).find(({ left, awaited }) => !awaited && left.has(piece))
    if (range === undefined || download.pending(piece) > 1 || Math.min(...range.left) === piece) return false
    // what has not begun need not: cut short, it would send more than is read
    if (range.began === undefined) {
      this.#cancel(range, out)
      return true
    }
    for (const later of [...range.left]) if (later >= piece && range.left.delete(later)) download.release(later)
    range.shared = true
    if (range.left.size === 0) this.#cancel(range, out)
    return true
  }

  /** The origin answers a range; `whole`: with everything, from the first byte on. */
  began(id: number, whole: boolean, now: number, out: LeecherEffect[]): void {
    const range = this.#ranges.get(id)
    if (range === undefined || range.began !== undefined) return
    const { download } = range
    range.began = { at: now, pace: new Pace(now) }
    download.origin.began(now - range.askedAt)
    download.origin.takesRanges = true
    if (!whole) return
    download.origin.sequential = true
    download.holdNothingBack()
    for (const other of this.#of(download)) if (other !== range) this.#cancel(other, out)
    for (let piece = 0; piece < download.spec.pieces; piece++) {
      if (!download.isIdle(piece)) continue
      range.left.add(piece)
      download.take(piece)
    }
  }

  progress(id: number, bytes: number, now: number, out: LeecherEffect[]): void {
    const range = this.#ranges.get(id)
    if (range === undefined) return
    this.began(id, false, now, out)
    range.began?.pace.came(bytes, now)
    this.#growth.came(bytes)
    this.#total.came(bytes, now)
    range.bytes += bytes
    range.partial = (range.partial + bytes) % range.download.spec.pieceBytes
    range.download.origin.came()
    range.download.progress.came(bytes, now)
  }

  /** A piece is here, from wherever: its ranges no longer owe it. */
  stored(download: Download, piece: number, byOrigin: boolean, out: LeecherEffect[]): void {
    if (byOrigin) download.origin.came()
    for (const range of this.#of(download)) {
      if (!range.left.delete(piece)) continue
      download.release(piece)
      range.shared ||= !byOrigin
      // what follows on its connection is of no use to anybody
      if (range.left.size === 0 && range.shared) this.#cancel(range, out)
    }
  }

  ended(id: number, failure: RangeFailure | undefined, now: number, out: LeecherEffect[]): void {
    const range = this.#ranges.get(id)
    if (range === undefined) return
    // an answer that ends early is no success, whatever it says
    const why = failure ?? (range.left.size > 0 ? CUT : undefined)
    this.#close(range)
    const { blob, origin } = range.download
    origin.ended(paceOf(range, now))
    if (why !== undefined) this.#growth.failed(now)
    const verdict = why === undefined ? 'again' : origin.failed(why, range.askedAt, now)
    if (verdict !== 'again') out.push({ type: 'originFailed', blob, refused: verdict === 'refused' })
  }

  /** Looks whether more ranges would bring more. Drops stragglers: what they still owe is read by another, from the byte they have reached. */
  tick(now: number, out: LeecherEffect[]): void {
    this.#growth.tick(
      { ranges: this.#ranges.size, isShort: this.#isShort() },
      this.#options.mostRanges / this.#least(),
      now,
    )
    for (const range of [...this.#ranges.values()]) {
      const { download } = range
      const isLast = download.nothingIdle && this.#total.hasRoom(now)
      const isWaitedFor = range.left.has(download.cursor) || isLast
      if (!isWaitedFor || download.origin.ranges === 1) continue
      if (!isStraggler(viewOf(range, now), this.#otherThan(range, now), patienceMs(download.origin.drops))) continue
      download.origin.drops++
      this.#cancel(range, out)
    }
  }

  /** Ends all ranges of a blob. */
  closeAll(download: Download, out: LeecherEffect[]): void {
    for (const range of this.#of(download)) this.#cancel(range, out)
  }

  #open(
    download: Download,
    run: { first: number; count: number },
    now: number,
    out: LeecherEffect[],
    awaited = false,
  ): void {
    const fields = { began: undefined, asked: false, partial: 0, bytes: 0, shared: false, awaited }
    const range: OriginRange = { id: this.#nextRange++, download, left: new Set(), askedAt: now, ...fields }
    for (let piece = run.first; piece < run.first + run.count; piece++) {
      range.left.add(piece)
      download.take(piece)
    }
    this.#ranges.set(range.id, range)
    this.#total.counted(this.#ranges.size)
    download.origin.active++
    out.push({ type: 'fetch', blob: download.blob, range: range.id, first: run.first, count: run.count })
  }

  /** With nothing else to read: the second half of what a slow range still owes, which it then no longer does. */
  #share(download: Download, now: number, out: LeecherEffect[]): { first: number; count: number } | undefined {
    for (const range of this.#of(download)) {
      if (range.left.size < 2 || !this.#isWorthSharing(range, now)) continue
      const left = [...range.left].sort((a, b) => a - b)
      const first = left[Math.ceil(left.length / 2)]!
      let count = 0
      while (range.left.delete(first + count)) download.release(first + count++)
      range.shared = true
      if (range.left.size === 0) this.#cancel(range, out)
      return { first, count }
    }
    return undefined
  }

  #isWorthSharing(range: OriginRange, now: number): boolean {
    const eachBrings = this.#growthFor(range.download) > 1 && this.#growth.isProven
    if (!eachBrings && !this.#total.hasRoom(now)) return false
    return isWorthSharing(viewOf(range, now), this.#otherThan(range, now), eachBrings)
  }

  /** How many times the usual number of ranges a blob may have. */
  #growthFor({ origin }: Download): number {
    return origin.mayGrow && origin.ranges > 1 ? this.#growth.factor : 1
  }

  #hasRoom(download: Download): boolean {
    const { hostRanges, mostRanges } = this.#options
    const growth = this.#growthFor(download)
    const ofHost = Math.max(hostRanges, Math.min(mostRanges, hostRanges * growth))
    return download.origin.active < download.origin.ranges * growth && this.#beside(download) < ofHost
  }

  /** The fewest ranges that a blob which may have more has. */
  #least(): number {
    let least = this.#options.hostRanges
    for (const { download } of this.#ranges.values())
      if (download.origin.mayGrow) least = Math.min(least, download.origin.allowed)
    return Math.max(1, least)
  }

  /**
   * Whether a blob has all the ranges that it may have, and could use more: for what nobody reads yet or, once more have
   * brought more, for a part of what others read.
   */
  #isShort(): boolean {
    for (const { download } of this.#ranges.values()) {
      const { origin, room, nothingIdle } = download
      const isLeft = room > 0 && (!nothingIdle || this.#growth.isProven)
      if (origin.mayGrow && origin.ranges > 1 && isLeft && !this.#hasRoom(download)) return true
    }
    return false
  }

  /** What another range of the same blob would be like, by those there are and those that have just ended. */
  #otherThan(range: OriginRange, now: number): Alternative {
    const { download } = range
    let pace = 0
    for (const other of this.#of(download))
      if (other !== range) pace = Math.max(pace, other.began?.pace.least(now) ?? 0)
    return { waitMs: download.origin.waitMs, pace: pace > 0 ? pace : download.origin.pace }
  }

  #of(download: Download): OriginRange[] {
    return [...this.#ranges.values()].filter((range) => range.download === download)
  }

  /** Ranges that one more of a blob would have to share the host's with. */
  #beside({ background }: Download): number {
    if (background) return this.#ranges.size
    let pulls = 0
    for (const range of this.#ranges.values()) if (!range.download.background) pulls++
    return pulls
  }

  #cancel(range: OriginRange, out: LeecherEffect[]): void {
    this.#close(range)
    out.push({ type: 'cancelFetch', range: range.id })
  }

  #close(range: OriginRange): void {
    this.#ranges.delete(range.id)
    this.#total.counted(this.#ranges.size)
    range.download.origin.active--
    for (const piece of range.left) range.download.release(piece)
  }
}
