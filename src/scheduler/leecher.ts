import { Download, FIND_PEERS_FIRST_MS } from './download.ts'
import { overdueElsewhere } from './endgame.ts'
import type { LeecherEffect, LeecherEvent, LeecherOptions, SourceKind } from './leecher-types.ts'
import { OriginLanes } from './origin-lanes.ts'
import type { PieceRequest } from './request-table.ts'
import { isOverdue, RequestTable } from './request-table.ts'
import { Sources } from './sources.ts'
import { noticeParting, noticeStarving } from './starving.ts'
import { UnderWay } from './under-way.ts'
import { Wants } from './wants.ts'

/**
 * No byte for as long as a request may take, within these bounds, and what neighbours say they have is taken from the
 * home or the origin all the same. On slow links too little patience makes the home send what neighbours would have.
 */
const NEIGHBOURS_FAIL_LEAST_MS = 3_000
const NEIGHBOURS_FAIL_MOST_MS = 8_000
type Learnt = 'sourceJoined' | 'sourceBits' | 'sourceHas' | 'hashesKnown' | 'dropped' | 'cursor' | 'steered'
type Event<T extends LeecherEvent['type']> = Extract<LeecherEvent, { type: T }>

/**
 * Decides what one host downloads next, from whom, over all its blobs at once: the manifest's layers are one piece
 * space over the same neighbours, and all limits are the host's. A pure state machine: events and time in, effects
 * out; the daemon drives it with sockets, the simulator with virtual links.
 *
 * A piece moves: open -> pending (a request, a want that began, or an origin lane) -> have; back to open when its
 * request fails, times out, or its bytes are wrong.
 */
export class Leecher {
  readonly #options: LeecherOptions
  readonly #downloads = new Map<number, Download>()
  readonly #requests = new RequestTable()
  readonly #sources = new Sources()
  readonly #lanes: OriginLanes
  readonly #wants: Wants
  #byOrder: Download[] = []
  /** Requests that occupy the link: asked by number, or begun by a home. */
  readonly #underWay: UnderWay
  #now = 0

  constructor(options: LeecherOptions) {
    this.#options = options
    this.#lanes = new OriginLanes(options)
    this.#underWay = new UnderWay(options)
    this.#wants = new Wants(options, this.#requests, this.#sources)
  }

  get outstanding(): number {
    return this.#underWay.pieces
  }

  get outstandingBytes(): number {
    return this.#underWay.bytes
  }

  /** Takes one event and appends what is to be done. Never throws for what a remote may cause. */
  on(event: LeecherEvent, now: number, out: LeecherEffect[]): void {
    this.#now = now
    switch (event.type) {
      case 'blobAdded':
        this.#addBlob(event, out)
        break
      case 'blobRemoved':
        this.#removeBlob(event.blob, out)
        break
      case 'originOpen':
        this.#originOpen(event, out)
        break
      case 'sourceLeft':
        this.#sourceLeft(event, out)
        break
      case 'began':
        this.#began(event, out)
        return
      case 'progress':
        this.#progress(event)
        return
      case 'fetchBegan':
        this.#lanes.began(event.lane, event.whole, now, out)
        break
      case 'fetchProgress':
        this.#lanes.progress(event.lane, event.bytes, now, out)
        return
      case 'failed':
        this.#failed(event)
        break
      case 'stored':
        this.#stored(event, out)
        break
      case 'fetchEnded':
        this.#lanes.ended(event.lane, event.failure, now, out)
        break
      case 'tick':
        this.#tick(out)
        break
      case 'sourceHas':
        this.#learn(event)
        // the most frequent event of all; it changes nothing for homes and the origin that cannot wait for the next one
        this.#fillRequests(out)
        return
      default:
        this.#learn(event)
    }
    this.#fill(out)
  }

  /** Events that only change what is known of a blob. */
  #learn(event: Event<Learnt>): void {
    const download = this.#downloads.get(event.blob)
    if (download === undefined) return
    switch (event.type) {
      case 'sourceJoined':
        this.#sources.add(event.source, event.distance)
        download.addSource(event.source, event.kind)
        break
      case 'sourceBits':
        download.setBits(event.source, event.bits)
        this.#sources.told(event.source, event.queue)
        break
      case 'sourceHas':
        for (const piece of event.pieces) download.addHave(event.source, piece)
        this.#sources.told(event.source, event.queue)
        break
      case 'hashesKnown':
        this.#learnHashes(download, event)
        break
      case 'dropped':
        for (const piece of event.pieces) download.drop(piece)
        download.completed = false
        break
      case 'cursor':
        download.cursor = event.piece
        break
      case 'steered':
        this.#steer(download, event)
        break
    }
  }

  #steer(download: Download, { order, limit }: Event<'steered'>): void {
    const pieces = this.#requests.where((r) => r.blob === download.blob && r.piece >= 0).length
    this.#underWay.add(download, -pieces)
    download.steer(order, limit, this.#now)
    this.#underWay.add(download, pieces)
    this.#sort()
  }

  #learnHashes(download: Download, { first, count }: Event<'hashesKnown'>): void {
    for (let piece = first; piece < first + count; piece++) download.hashKnown.set(piece)
    // the parent has got these now: only from here on is it late
    const inRun = (r: PieceRequest): boolean => r.piece >= first && r.piece < first + count
    for (const request of this.#requests.where((r) => r.blob === download.blob && r.kind === 'parent' && inRun(r))) {
      if (request.began) continue
      request.askedAt = this.#now
      request.lastByteAt = this.#now
    }
  }

  #addBlob({ blob, spec }: Event<'blobAdded'>, out: LeecherEffect[]): void {
    this.#removeBlob(blob, out)
    const download = new Download(blob, spec, this.#now)
    this.#downloads.set(blob, download)
    this.#sort()
    this.#completeIfDone(download, out)
  }

  #removeBlob(blob: number, out: LeecherEffect[]): void {
    const download = this.#downloads.get(blob)
    if (download === undefined) return
    for (const request of this.#requests.where((r) => r.blob === blob)) this.#cancel(request, out)
    this.#lanes.closeAll(download, out)
    const sources = [...download.sources.keys()]
    this.#downloads.delete(blob)
    this.#sort()
    for (const source of sources) this.#forgetIfIdle(source)
  }

  #originOpen(event: Event<'originOpen'>, out: LeecherEffect[]): void {
    const download = this.#downloads.get(event.blob)
    if (download === undefined) return
    download.origin.allowed = event.lanes
    download.origin.takesRanges = event.takesRanges ?? true
    if (event.lanes === 0) this.#lanes.closeAll(download, out)
  }

  #sourceLeft(event: Event<'sourceLeft'>, out: LeecherEffect[]): void {
    const left = (r: PieceRequest): boolean =>
      r.source === event.source && (event.blob === undefined || r.blob === event.blob)
    for (const request of this.#requests.where(left)) this.#cancel(request, out)
    for (const download of this.#downloads.values()) {
      if (event.blob !== undefined && download.blob !== event.blob) continue
      if (download.removeSource(event.source) === 'peer') noticeParting(download, this.#now, out)
    }
    this.#forgetIfIdle(event.source)
  }

  #forgetIfIdle(source: number): void {
    for (const download of this.#downloads.values()) if (download.sources.has(source)) return
    this.#sources.remove(source)
  }

  #began(event: Event<'began'>, out: LeecherEffect[]): void {
    const request = this.#requests.get(event.id)
    const download = request === undefined ? undefined : this.#downloads.get(request.blob)
    if (request === undefined || download === undefined || request.began) return
    request.began = true
    request.lastByteAt = this.#now
    if (request.kind !== 'home') return
    const same = this.#requests.where((r) => r.blob === request.blob && r.piece === event.piece)
    // the want crossed news of this piece on the wire: the home's bytes are better spent on another one
    if (download.have.has(event.piece) || same.some((r) => r.began)) return this.#cancel(request, out)
    request.piece = event.piece
    request.askedAt = this.#now
    this.#occupy(download, event.piece)
    // the home's copy is on its way: whoever was asked for the same piece and has not begun need not send it
    for (const other of same) this.#cancel(other, out)
  }

  #progress({ id, bytes }: Event<'progress'>): void {
    const request = this.#requests.get(id)
    if (request === undefined) return
    request.lastByteAt = this.#now
    const download = this.#downloads.get(request.blob)
    if (download !== undefined) download.progress(bytes, this.#now)
  }

  #failed(event: Event<'failed'>): void {
    const request = this.#requests.get(event.id)
    if (request === undefined) return
    this.#close(request)
    if (event.reason === 'busy') this.#sources.refused(request.source, event.queue, this.#now)
    else if (event.reason === 'corrupt') this.#sources.shun(request.source, this.#now)
  }

  #stored(event: Event<'stored'>, out: LeecherEffect[]): void {
    const request = event.id === undefined ? undefined : this.#requests.get(event.id)
    if (request !== undefined) {
      this.#close(request)
      this.#sources.delivered(request.source, request.askedAt, this.#now)
    }
    const download = this.#downloads.get(event.blob)
    if (download === undefined) return
    this.#lanes.stored(download, event.piece, event.id === undefined, out)
    download.hashKnown.set(event.piece)
    download.brought(this.#now)
    if (!download.keep(event.piece)) return
    download.findPeersWait = FIND_PEERS_FIRST_MS
    if (download.pending(event.piece) > 0) {
      const same = this.#requests.where((r) => r.blob === event.blob && r.piece === event.piece)
      for (const duplicate of same) this.#cancel(duplicate, out)
    }
    this.#completeIfDone(download, out)
    // at 10 Gb/s the next tick is a tenth of the transfer away
    this.#endgame(download, out)
    this.#wants.stored(download, this.#now, (request) => this.#cancel(request, out), out)
  }

  #completeIfDone(download: Download, out: LeecherEffect[]): void {
    if (!download.have.complete || download.completed) return
    download.completed = true
    for (const parked of this.#requests.where((r) => r.blob === download.blob)) this.#cancel(parked, out)
    this.#lanes.closeAll(download, out)
    out.push({ type: 'complete', blob: download.blob })
  }

  /** Asks for as much as the limits allow: first of neighbours, then of homes, then of the origin. */
  #fill(out: LeecherEffect[]): void {
    for (const download of this.#byOrder) if (this.#failedBy(download)) this.#fillLanes(download, out)
    this.#fillRequests(out)
    for (const download of this.#byOrder) {
      if (download.completed) continue
      this.#wants.fill(download, this.#underWay.beside(download.background), this.#failedBy(download), this.#now, out)
      this.#fillLanes(download, out)
    }
  }

  #fillRequests(out: LeecherEffect[]): void {
    const background = this.#byOrder[0]?.background ?? true
    if (!this.#underWay.hasRoom(background)) return
    const usable = this.#sources.usableCount(this.#now)
    const limit = Math.max(this.#options.perSource, Math.ceil(this.#options.maxOutstanding / Math.max(1, usable)))
    const empty = new Set<number>()
    while (this.#underWay.hasRoom(background)) {
      let best = -1
      let bestLoad = Number.POSITIVE_INFINITY
      for (const source of this.#sources.ids()) {
        if (empty.has(source) || !this.#sources.ready(source, limit, this.#now)) continue
        const load = this.#sources.load(source)
        if (load < bestLoad) {
          best = source
          bestLoad = load
        }
      }
      if (best < 0) return
      if (!this.#requestFrom(best, out)) empty.add(best)
    }
  }

  #requestFrom(source: number, out: LeecherEffect[]): boolean {
    for (const download of this.#byOrder) {
      const piece = this.#underWay.admits(download) ? download.pick(source) : -1
      if (piece < 0) continue
      this.#ask(download, source, download.sources.get(source)!.kind, piece, false, out)
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
    out: LeecherEffect[],
  ): void {
    const { blob, background } = download
    const fields = { blob, source, kind, askedAt: this.#now, piece, duplicate, background }
    const request = this.#requests.open({ ...fields, wanted: undefined })
    this.#sources.asked(source)
    this.#occupy(download, piece)
    out.push({ type: 'request', source, id: request.id, blob, piece, background })
  }

  #fillLanes(download: Download, out: LeecherEffect[]): void {
    if (download.origin.allowed === 0 || download.completed) return
    const failed = this.#failedBy(download)
    this.#lanes.fill(download, (source) => !failed && this.#sources.usable(source, this.#now), this.#now, out)
  }

  /** Whether neighbours bring nothing: stale or lying about what they have, they could keep every piece asked for. */
  #failedBy(download: Download): boolean {
    const patience = Math.max(NEIGHBOURS_FAIL_LEAST_MS, this.#sources.deadlineMs)
    return this.#now - download.lastProgressAt >= Math.min(NEIGHBOURS_FAIL_MOST_MS, patience)
  }

  #tick(out: LeecherEffect[]): void {
    this.#dropOverdue(out)
    this.#lanes.tick(this.#now, out)
    for (const download of this.#byOrder) {
      if (download.completed) continue
      if (download.room === 0 || this.#waitsItsTurn(download)) download.lively(this.#now)
      this.#wants.tick(download, this.#failedBy(download), this.#now, (request) => this.#cancel(request, out), out)
      this.#endgame(download, out)
      noticeStarving(download, (source) => this.#sources.usable(source, this.#now), this.#now, out)
    }
  }

  /** Whether blobs before it take the whole link: that nothing comes for it is no fault of its sources. */
  #waitsItsTurn({ blob, background }: Download): boolean {
    return !this.#underWay.hasRoom(background) && !this.#requests.bring(blob)
  }

  #dropOverdue(out: LeecherEffect[]): void {
    for (const request of this.#requests.where((r) => isOverdue(r, this.#sources.deadlineMs, this.#now))) {
      const download = this.#downloads.get(request.blob)
      // a want, or a request to a parent for what it does not have yet, waits as long as it must
      const mayWait = !request.began && (request.kind === 'home' || download?.hashKnown.has(request.piece) === false)
      if (mayWait) continue
      this.#cancel(request, out)
      this.#sources.snub(request.source, this.#now)
    }
  }

  #endgame(download: Download, out: LeecherEffect[]): void {
    const again = overdueElsewhere(download, this.#requests, this.#sources, this.#options, this.#now)
    for (const { source, piece } of again) this.#ask(download, source, 'peer', piece, true, out)
  }

  #cancel(request: PieceRequest, out: LeecherEffect[]): void {
    this.#close(request)
    out.push({ type: 'cancel', source: request.source, id: request.id })
  }

  #close(request: PieceRequest): void {
    this.#requests.close(request.id)
    this.#sources.answered(request.source)
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

  #sort(): void {
    this.#byOrder = [...this.#downloads.values()].sort((a, b) => a.order - b.order || a.blob - b.blob)
  }
}
