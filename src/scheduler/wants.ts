import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import { sameBits } from '../piece/bitfield.ts'
import type { Download } from './download.ts'
import type { LeecherEffect, LeecherOptions } from './leecher-types.ts'
import type { PieceRequest, RequestTable } from './request-table.ts'
import type { Sources } from './sources.ts'

/** Wants of all blobs at one home; less than it lets one host keep waiting. */
const WANTS_MOST = 24

/**
 * Homes hear what is still wanted after so many pieces, not only at the next tick: on a 10 Gb/s link that is 60 pieces
 * later, and every second piece a home began to send was one that had come meanwhile.
 */
const REFRESH_EVERY_PIECES = 8

/** Asks homes for pieces of their own choice, and keeps them told of what is still wanted. */
export class Wants {
  readonly #options: LeecherOptions
  readonly #requests: RequestTable
  readonly #sources: Sources

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
      const { standing, begun, parked } = this.#count(source, download)
      const allowed = Math.max(this.#options.wants, this.#mostOf(download) - outstanding)
      // a blob that the home itself must wait for may not keep the others from asking for one piece
      const more = Math.max(allowed - standing, parked === 0 && begun < allowed ? 1 : 0)
      if (more <= 0) continue
      const wanted = download.wanted(all)
      for (let n = Math.min(more, wanted.count - parked); n > 0; n--) this.#want(download, source, wanted, now, out)
    }
  }

  /** Tells homes what is still wanted, so that a want does not bring what a neighbour has brought meanwhile. */
  refresh(download: Download, all: boolean, cancel: (request: PieceRequest) => void, out: LeecherEffect[]): void {
    download.keptSinceWants = 0
    const parked = this.#requests.where((r) => r.blob === download.blob && r.kind === 'home' && !r.began)
    if (parked.length === 0) return
    const wanted = download.wanted(all)
    for (const [i, request] of parked.entries()) {
      if (i >= wanted.count) cancel(request)
      else if (request.wanted === undefined || !sameBits(request.wanted, wanted)) {
        request.wanted = wanted
        out.push({ type: 'want', source: request.source, id: request.id, blob: download.blob, wanted })
      }
    }
  }

  /** A piece more is here: when enough are, homes are told. */
  stored(download: Download, cancel: (request: PieceRequest) => void, out: LeecherEffect[]): void {
    if (download.completed || ++download.keptSinceWants < REFRESH_EVERY_PIECES) return
    this.refresh(download, false, cancel, out)
  }

  /** Wants at a home: all, those that have begun, and those of `download` that have not. */
  #count(source: number, download: Download): { standing: number; begun: number; parked: number } {
    let standing = 0
    let begun = 0
    let parked = 0
    for (const request of this.#requests.all()) {
      if (request.source !== source || request.kind !== 'home') continue
      standing++
      if (request.began) begun++
      else if (request.blob === download.blob) parked++
    }
    return { standing, begun, parked }
  }

  /** Pieces of this size that may be outstanding. */
  #mostOf({ spec }: Download): number {
    const { maxOutstanding, maxOutstandingBytes, leastOutstanding } = this.#options
    return Math.min(maxOutstanding, Math.max(leastOutstanding, Math.floor(maxOutstandingBytes / spec.pieceBytes)))
  }

  #want(download: Download, source: number, wanted: ReadonlyBitfield, now: number, out: LeecherEffect[]): void {
    const { blob } = download
    const fields = { blob, source, kind: 'home', askedAt: now, piece: -1, duplicate: false } as const
    const request = this.#requests.open({ ...fields, wanted })
    this.#sources.asked(source)
    out.push({ type: 'want', source, id: request.id, blob, wanted })
  }
}
