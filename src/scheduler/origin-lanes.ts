import type { Download } from './download.ts'
import type { LeecherEffect, LeecherOptions } from './leecher-types.ts'

/** A lane is a straggler when a piece takes it this many times the usual, and at least `STRAGGLER_LEAST_MS`. */
const STRAGGLER_TIMES = 8
const STRAGGLER_LEAST_MS = 4_000
const RETRY_FIRST_MS = 250
const RETRY_MOST_MS = 5_000
/** Failures in a row, without a piece between them, after which the origin counts as failed. */
const MAX_FAILURES = 5
const EWMA_WEIGHT = 0.2

interface Lane {
  readonly id: number
  readonly download: Download
  readonly left: Set<number>
  lastPieceAt: number
}

/** Parallel ranged reads of the origin: which run each reads, which is too slow to wait for. */
export class OriginLanes {
  readonly #options: LeecherOptions
  readonly #lanes = new Map<number, Lane>()
  #nextLane = 1
  #pieceTimeMs = 0

  constructor(options: LeecherOptions) {
    this.#options = options
  }

  /**
   * Starts lanes while the blob may have more and there is a run left to read. Pulls do not wait for lanes of the
   * background: these may be held back to a job's rate.
   */
  fill(download: Download, usable: (source: number) => boolean, now: number, out: LeecherEffect[]): void {
    const most = Math.max(1, Math.floor(this.#options.laneBytes / download.spec.pieceBytes))
    while (
      download.lanesActive < download.lanesAllowed &&
      this.#beside(download) < this.#options.hostLanes &&
      download.laneRetryAt <= now
    ) {
      const run = download.nextRun(most, usable)
      if (run === undefined) return
      const lane: Lane = { id: this.#nextLane++, download, left: new Set(), lastPieceAt: now }
      for (let piece = run.first; piece < run.first + run.count; piece++) {
        lane.left.add(piece)
        download.take(piece)
      }
      this.#lanes.set(lane.id, lane)
      download.lanesActive++
      out.push({ type: 'fetch', blob: download.blob, lane: lane.id, first: run.first, count: run.count })
    }
  }

  /** A piece is here, from wherever: its lane no longer owes it. */
  stored(download: Download, piece: number, byOrigin: boolean, now: number): void {
    for (const lane of this.#lanes.values()) {
      if (lane.download !== download || !lane.left.delete(piece)) continue
      download.release(piece)
      if (!byOrigin) continue
      const took = now - lane.lastPieceAt
      this.#pieceTimeMs += this.#pieceTimeMs === 0 ? took : EWMA_WEIGHT * (took - this.#pieceTimeMs)
      lane.lastPieceAt = now
      download.laneFailures = 0
    }
  }

  ended(id: number, ok: boolean, now: number, out: LeecherEffect[]): void {
    const lane = this.#lanes.get(id)
    if (lane === undefined) return
    // an answer that ends early is no success, whatever it says
    const failed = !ok || lane.left.size > 0
    this.#close(lane)
    const { download } = lane
    if (!failed) return
    download.laneFailures++
    download.laneRetryAt = now + Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** (download.laneFailures - 1))
    if (download.laneFailures >= MAX_FAILURES) {
      download.laneFailures = 0
      out.push({ type: 'originFailed', blob: download.blob })
    }
  }

  /** Drops stragglers: what they still owe is read by another lane. */
  tick(now: number, out: LeecherEffect[]): void {
    const patience = Math.max(STRAGGLER_LEAST_MS, STRAGGLER_TIMES * this.#pieceTimeMs)
    for (const lane of [...this.#lanes.values()]) {
      if (this.#pieceTimeMs === 0 || now - lane.lastPieceAt < patience) continue
      this.#cancel(lane, out)
    }
  }

  /** Ends all lanes of a blob. */
  closeAll(download: Download, out: LeecherEffect[]): void {
    for (const lane of [...this.#lanes.values()]) if (lane.download === download) this.#cancel(lane, out)
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
    lane.download.lanesActive--
    for (const piece of lane.left) lane.download.release(piece)
  }
}
