import { awaitedAtHomes } from './awaited-at-homes.ts'
import type { Download } from './download.ts'
import type { Downloads } from './downloads.ts'
import { overdueElsewhere } from './endgame.ts'
import type { LeecherEffect, LeecherEvent, LeecherOptions, SourceKind } from './leecher-types.ts'
import type { PieceRequest } from './request-table.ts'
import { isOverdue, RequestTable } from './request-table.ts'
import { Sources } from './sources.ts'
import { neighboursFail } from './starving.ts'
import { UnderWay } from './under-way.ts'
import { Wants } from './wants.ts'

/** Which request an event is about, and what it tells of it. */
type About<T extends LeecherEvent['type']> = Extract<LeecherEvent, { type: T }>

/** What is asked of other hosts: which piece of whom, how much at a time, and what becomes of it. */
export class Requests {
  readonly sources = new Sources()
  readonly #options: LeecherOptions
  readonly #downloads: Downloads
  readonly #table = new RequestTable()
  readonly #wants: Wants
  /** Requests that occupy the link: asked by number, or begun by a home. */
  readonly #underWay: UnderWay

  constructor(options: LeecherOptions, downloads: Downloads) {
    this.#options = options
    this.#downloads = downloads
    this.#underWay = new UnderWay(options)
    this.#wants = new Wants(options, this.#table, this.sources)
  }

  get pieces(): number {
    return this.#underWay.pieces
  }

  get bytes(): number {
    return this.#underWay.bytes
  }

  /** Whether neighbours bring nothing of what they say they have. */
  failBy(download: Download, now: number): boolean {
    return neighboursFail(download, this.sources.deadlineMs, now)
  }

  /** Asks by number for as much as the limits allow. */
  fill(now: number, out: LeecherEffect[]): void {
    const background = this.#downloads.inOrder[0]?.background ?? true
    if (!this.#underWay.hasRoom(background)) return
    const usable = this.sources.usableCount(now)
    const limit = Math.max(this.#options.perSource, Math.ceil(this.#options.maxOutstanding / Math.max(1, usable)))
    const empty = new Set<number>()
    while (this.#underWay.hasRoom(background)) {
      const best = this.sources.leastLoaded(empty, limit, now)
      if (best === undefined) return
      if (!this.#requestFrom(best, now, out)) empty.add(best)
    }
  }

  /** Asks homes by number for what readers wait for. */
  fillAwaited(now: number, out: LeecherEffect[]): void {
    for (const download of this.#downloads.inOrder) {
      const atHomes = awaitedAtHomes(download, this.sources, now)
      for (const { source, piece } of atHomes) this.#ask(download, source, 'parent', piece, false, now, out)
    }
  }

  /** Asks homes for pieces of their own choice. */
  fillWants(download: Download, now: number, out: LeecherEffect[]): void {
    const beside = this.#underWay.beside(download.background)
    this.#wants.fill(download, beside, this.failBy(download, now), now, out)
  }

  /** When every missing piece is under way, overdue ones are asked for twice. */
  endgame(download: Download, now: number, out: LeecherEffect[]): void {
    const again = overdueElsewhere(download, this.#table, this.sources, this.#options, now)
    for (const { source, piece } of again) this.#ask(download, source, 'peer', piece, true, now, out)
  }

  tickWants(download: Download, now: number, out: LeecherEffect[]): void {
    this.#wants.tick(download, this.failBy(download, now), now, (request) => this.#cancel(request, out), out)
  }

  /** Gives up what nothing has come for, and leaves its sources alone for a while. */
  dropOverdue(now: number, out: LeecherEffect[]): void {
    for (const request of this.#table.where((r) => isOverdue(r, this.sources.deadlineMs, now))) {
      const download = this.#downloads.get(request.blob)
      // a want, or a request to a parent for what it does not have yet, waits as long as it must
      const mayWait = !request.began && (request.kind === 'home' || download?.hashKnown.has(request.piece) === false)
      if (mayWait) continue
      this.#cancel(request, out)
      download?.progress.gaveUp()
      this.sources.snub(request.source, now)
    }
  }

  /** Whether blobs before it take the whole link: that nothing comes for it is no fault of its sources. */
  waitsItsTurn({ blob, background }: Download): boolean {
    return !this.#underWay.hasRoom(background) && !this.#table.bring(blob)
  }

  /** Changes a blob's place among the others; what is under way for it counts where it belongs now. */
  steer(download: Download, { order, limit }: About<'steered'>, now: number): void {
    const pieces = this.#table.where((r) => r.blob === download.blob && r.piece >= 0).length
    this.#underWay.add(download, -pieces)
    download.steer(order, limit, now)
    this.#underWay.add(download, pieces)
  }

  /** A parent has these pieces now: only from here on is it late with them. */
  hashesKnown({ blob, first, count }: About<'hashesKnown'>, now: number): void {
    const inRun = (r: PieceRequest): boolean => r.piece >= first && r.piece < first + count
    for (const request of this.#table.where((r) => r.blob === blob && r.kind === 'parent' && inRun(r))) {
      if (request.began) continue
      request.askedAt = now
      request.lastByteAt = now
    }
  }

  /** The answer to a request has begun; of a want this tells which piece it is. */
  began({ id, piece }: About<'began'>, now: number, out: LeecherEffect[]): void {
    const request = this.#table.get(id)
    const download = request === undefined ? undefined : this.#downloads.get(request.blob)
    if (request === undefined || download === undefined || request.began) return
    request.began = true
    request.lastByteAt = now
    if (request.kind === 'parent') download.progress.begun(now)
    if (request.kind !== 'home') return
    const same = this.#of(request.blob, piece)
    // the want crossed news of this piece on the wire: the home's bytes are better spent on another one, unless those who
    // have begun to send it bring nothing
    const fails = this.failBy(download, now)
    const comes = same.some((r) => r.began && !(fails && r.kind === 'peer'))
    if (download.have.has(piece) || comes) return this.#cancel(request, out)
    request.piece = piece
    request.askedAt = now
    this.#occupy(download, piece)
    // the home's copy is on its way: whoever was asked for the same piece and has not begun need not send it
    for (const other of same) if (!other.began) this.#cancel(other, out)
    download.progress.begun(now)
  }

  /** Returns the home or parent that the bytes are from, if they are from one. */
  progress({ id, bytes }: About<'progress'>, now: number): number | undefined {
    const request = this.#table.get(id)
    if (request === undefined) return undefined
    request.lastByteAt = now
    this.#downloads.get(request.blob)?.progress.came(bytes, now)
    return request.kind === 'peer' ? undefined : request.source
  }

  failed({ id, reason, queue }: About<'failed'>, now: number): void {
    const request = this.#table.get(id)
    if (request === undefined) return
    this.#close(request)
    if (reason === 'busy') this.sources.refused(request.source, queue, now)
    else if (reason === 'corrupt') this.sources.shun(request.source, now)
  }

  /** What a request asked for is here. */
  delivered(id: number, now: number): void {
    const request = this.#table.get(id)
    if (request === undefined) return
    this.#close(request)
    this.sources.delivered(request.source, request.askedAt, now)
  }

  /** A piece more is here: what is late may be asked for twice now, and homes hear of it when enough are. */
  kept(download: Download, now: number, out: LeecherEffect[]): void {
    // at 10 Gb/s the next tick is a tenth of the transfer away
    this.endgame(download, now, out)
    this.#wants.stored(download, now, (request) => this.#cancel(request, out), out)
  }

  /** Nobody need send a piece any more. */
  cancelPiece(blob: number, piece: number, out: LeecherEffect[]): void {
    for (const request of this.#of(blob, piece)) this.#cancel(request, out)
  }

  cancelBlob(blob: number, out: LeecherEffect[]): void {
    for (const request of this.#table.where((r) => r.blob === blob)) this.#cancel(request, out)
  }

  /** A source is gone, of one blob or of all. */
  cancelSource(source: number, blob: number | undefined, out: LeecherEffect[]): void {
    const left = (r: PieceRequest): boolean => r.source === source && (blob === undefined || r.blob === blob)
    for (const request of this.#table.where(left)) this.#cancel(request, out)
  }

  #of(blob: number, piece: number): PieceRequest[] {
    return this.#table.where((r) => r.blob === blob && r.piece === piece)
  }

  #requestFrom(source: number, now: number, out: LeecherEffect[]): boolean {
    for (const download of this.#downloads.inOrder) {
      const piece = this.#underWay.admits(download) ? download.pick(source) : -1
      if (piece < 0) continue
      this.#ask(download, source, download.sources.get(source)!.kind, piece, false, now, out)
      return true
    }
    return false
  }

  #ask(
    download: Download,
    source: number,
    kind: SourceKind,
    piece: number,
    duplicate: boolean,
    now: number,
    out: LeecherEffect[],
  ): void {
    const { blob, background } = download
    const fields = { blob, source, kind, askedAt: now, piece, duplicate, background }
    const request = this.#table.open({ ...fields, wanted: undefined })
    this.sources.asked(source)
    this.#occupy(download, piece)
    out.push({ type: 'request', source, id: request.id, blob, piece, background, urgent: download.awaited.has(piece) })
  }

  #cancel(request: PieceRequest, out: LeecherEffect[]): void {
    this.#close(request)
    out.push({ type: 'cancel', source: request.source, id: request.id })
  }

  #close(request: PieceRequest): void {
    this.#table.close(request.id)
    this.sources.answered(request.source)
    if (request.piece < 0) return
    const download = this.#downloads.get(request.blob)
    if (download === undefined) return
    this.#underWay.add(download, -1)
    download.release(request.piece)
  }

  #occupy(download: Download, piece: number): void {
    this.#underWay.add(download, 1)
    download.take(piece)
  }
}
