import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import { sameBits } from '../piece/bitfield.ts'
import type { Download } from './download.ts'
import type { LeecherEffect, LeecherOptions } from './leecher-types.ts'
import { mostOutstanding } from './leecher-types.ts'
import type { PieceRequest, RequestTable } from './request-table.ts'
import type { Sources } from './sources.ts'

/** Wants of all blobs at one home; less than it lets one host keep waiting. */
const WANTS_MOST = 24

/**
 * Homes hear what is still wanted after this many pieces, however fast they come: told only once a second, every second
 * piece a home began to send over a 10 Gb/s link was one that had come meanwhile.
 */
const REFRESH_EVERY_PIECES = 8
/** And where fewer come, after this long: a message per piece would cost a slow link's host more than it saves. */
const REFRESH_MS = 1_000

/** When homes were last told what is wanted, and the pieces kept since. */
interface Told {
  readonly at: number
  keptSince: number
}

type Cancel = (request: PieceRequest) => void

/** Asks homes for pieces of their own choice, and keeps them told of what is still wanted. */
export class Wants {
  readonly #options: LeecherOptions
  readonly #requests: RequestTable
  readonly #sources: Sources
  readonly #told = new WeakMap<Download, Told>()

  constructor(options: LeecherOptions, requests: RequestTable, sources: Sources) {
    this.#options = options
    this.#requests = requests
    this.#sources = sources
  }

  /**
   * Keeps a few wants at each home; as many as the link takes when nobody else has anything. `all`: also for pieces
   * that neighbours are to bring.
   */
  fill(download: Download, outstanding: number, all: boolean, now: number, out: LeecherEffect[]): void {
    for (const [source, { kind }] of download.sources) {
      if (kind !== 'home' || !this.#sources.ready(source, WANTS_MOST, now)) continue
      const { unanswered, begun, parked } = this.#count(source, download)
      const allowed = Math.max(this.#options.wants, this.#mostOf(download) - outstanding)
      // a blob that the home itself must wait for may not keep the others from asking for one piece
      const more = Math.max(allowed - unanswered, parked === 0 && begun < allowed ? 1 : 0)
      if (more <= 0) continue
      const wanted = download.wanted(all)
      const most = Math.min(wanted.count, download.room) - parked
      this.#want(download, source, wanted, Math.min(more, most), now, out)
    }
  }

  /** Now and then tells homes what is still wanted; at once when somebody has begun to wait for it. */
  tick(download: Download, all: boolean, now: number, cancel: Cancel, out: LeecherEffect[]): void {
    const promoted = this.#requests.where((r) => isParked(r, download) && r.background !== download.background)
    if (promoted.length > 0 || now - this.#toldOf(download).at >= REFRESH_MS)
      this.#refresh(download, all, now, cancel, out)
  }

  /** A piece more is here: when enough are, homes are told. */
  stored(download: Download, now: number, cancel: Cancel, out: LeecherEffect[]): void {
    if (download.completed || ++this.#toldOf(download).keptSince < REFRESH_EVERY_PIECES) return
    this.#refresh(download, false, now, cancel, out)
  }

  #toldOf(download: Download): Told {
    const known = this.#told.get(download)
    if (known !== undefined) return known
    const told = { at: download.startedAt, keptSince: 0 }
    this.#told.set(download, told)
    return told
  }

  /** So that a want does not bring what a neighbour has brought meanwhile. */
  #refresh(download: Download, all: boolean, now: number, cancel: Cancel, out: LeecherEffect[]): void {
    this.#told.set(download, { at: now, keptSince: 0 })
    const { blob, background } = download
    const parked = this.#requests.where((r) => isParked(r, download))
    if (parked.length === 0) return
    const wanted = download.wanted(all)
    const news = new Map<number, number[]>()
    for (const [i, request] of parked.entries()) {
      if (i >= wanted.count || i >= download.room) cancel(request)
      else if (request.background !== background || !isSame(request.wanted, wanted)) {
        request.wanted = wanted
        request.background = background
        const ids = news.get(request.source)
        if (ids === undefined) news.set(request.source, [request.id])
        else ids.push(request.id)
      }
    }
    for (const [source, ids] of news) out.push({ type: 'want', source, ids, blob, wanted, background })
  }

  /**
   * Wants at a home: all, those that have begun, and those of `download` that have not. Those for the background count
   * for the background alone: homes leave them for last.
   */
  #count(source: number, download: Download): { unanswered: number; begun: number; parked: number } {
    let unanswered = 0
    let begun = 0
    let parked = 0
    for (const request of this.#requests.all()) {
      if (request.source !== source || request.kind !== 'home') continue
      if (request.background && !download.background) continue
      unanswered++
      if (request.began) begun++
      else if (request.blob === download.blob) parked++
    }
    return { unanswered, begun, parked }
  }

  /** Pieces of this size that may be outstanding. */
  #mostOf({ spec }: Download): number {
    const { maxOutstandingBytes, leastOutstanding } = this.#options
    const most = mostOutstanding(this.#options, spec.pieceBytes)
    return Math.min(most, Math.max(leastOutstanding, Math.floor(maxOutstandingBytes / spec.pieceBytes)))
  }

  #want(
    download: Download,
    source: number,
    wanted: ReadonlyBitfield,
    count: number,
    now: number,
    out: LeecherEffect[],
  ): void {
    const { blob, background } = download
    const fields = {
      blob,
      source,
      kind: 'home',
      askedAt: now,
      piece: -1,
      duplicate: false,
      background,
      wanted,
    } as const
    const ids: number[] = []
    while (ids.length < count) {
      ids.push(this.#requests.open(fields).id)
      this.#sources.asked(source)
    }
    if (ids.length > 0) out.push({ type: 'want', source, ids, blob, wanted, background })
  }
}

/** Whether a home has not chosen a piece for it yet. */
function isParked(request: PieceRequest, { blob }: Download): boolean {
  return request.blob === blob && request.kind === 'home' && !request.began
}

function isSame(said: ReadonlyBitfield | undefined, wanted: ReadonlyBitfield): boolean {
  return said !== undefined && sameBits(said, wanted)
}
