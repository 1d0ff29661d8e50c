import { Download } from './download.ts'
import { Downloads } from './downloads.ts'
import type { LeecherEffect, LeecherEvent, LeecherOptions, SourceKind } from './leecher-types.ts'
import { OriginRanges } from './origin-ranges.ts'
import { Requests } from './requests.ts'
import { noticeParting, noticeStarving } from './starving.ts'
import { StuckHomes } from './stuck-homes.ts'

type Learnt = 'sourceJoined' | 'sourceBits' | 'sourceHas' | 'hashesKnown' | 'dropped' | 'cursor' | 'awaited' | 'steered'
type Event<T extends LeecherEvent['type']> = Extract<LeecherEvent, { type: T }>

/**
 * Decides what one host downloads next, from whom, over all its blobs at once: the manifest's layers are one piece
 * space over the same neighbours, and all limits are the host's. A pure state machine: events and time in, effects
 * out; the daemon drives it with sockets, the simulator with virtual links.
 *
 * A piece moves: open -> pending (a request, a want that began, or an origin range) -> have; back to open when its
 * request fails, times out, or its bytes are wrong.
 */
export class Leecher {
  readonly #options: LeecherOptions
  readonly #downloads = new Downloads()
  readonly #requests: Requests
  readonly #ranges: OriginRanges
  readonly #stuck = new StuckHomes()
  #now = 0

  constructor(options: LeecherOptions) {
    this.#options = options
    this.#requests = new Requests(options, this.#downloads)
    this.#ranges = new OriginRanges(options)
  }

  get outstanding(): number {
    return this.#requests.pieces
  }

  get outstandingBytes(): number {
    return this.#requests.bytes
  }

  /** What a source is to a blob, if it is one. */
  kindOf(blob: number, source: number): SourceKind | undefined {
    return this.#downloads.get(blob)?.sources.get(source)?.kind
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
      case 'sourceMute':
        this.#stuck.note(event.source, now)
        return
      case 'sourceLeft':
        this.#sourceLeft(event, out)
        break
      case 'began':
        this.#requests.began(event, now, out)
        return
      case 'progress':
        this.#progress(event)
        return
      case 'fetchAsked':
        this.#ranges.asked(event.range, now)
        return
      case 'fetchBegan':
        this.#ranges.began(event.range, event.whole, now, out)
        break
      case 'fetchProgress':
        this.#ranges.progress(event.range, event.bytes, now, out)
        return
      case 'failed':
        this.#requests.failed(event, now)
        break
      case 'stored':
        this.#stored(event, out)
        break
      case 'fetchEnded':
        this.#ranges.ended(event.range, event.failure, now, out)
        break
      case 'tick':
        this.#tick(out)
        break
      case 'sourceHas':
        this.#learn(event)
        // the most frequent event of all; it changes nothing for homes and the origin that cannot wait for the next one
        this.#requests.fill(now, out)
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
        this.#requests.sources.add(event.source, event.distance)
        download.addSource(event.source, event.kind)
        if (event.kind !== 'peer') download.hasStandIn = event.isStandIn === true
        break
      case 'sourceBits':
        download.setBits(event.source, event.bits)
        this.#requests.sources.told(event.source, event.queue)
        break
      case 'sourceHas':
        for (const piece of event.pieces) download.addHave(event.source, piece)
        this.#requests.sources.told(event.source, event.queue)
        break
      case 'hashesKnown':
        for (let piece = event.first; piece < event.first + event.count; piece++) download.hashKnown.set(piece)
        this.#requests.hashesKnown(event, this.#now)
        break
      case 'dropped':
        for (const piece of event.pieces) download.drop(piece)
        download.completed = false
        break
      case 'cursor':
        download.cursor = event.piece
        break
      case 'awaited':
        download.expect(event)
        break
      case 'steered':
        this.#requests.steer(download, event, this.#now)
        this.#downloads.sort()
        break
    }
  }

  #addBlob({ blob, spec }: Event<'blobAdded'>, out: LeecherEffect[]): void {
    this.#removeBlob(blob, out)
    const download = new Download(blob, spec, this.#now)
    this.#downloads.add(download)
    this.#completeIfDone(download, out)
  }

  #removeBlob(blob: number, out: LeecherEffect[]): void {
    const download = this.#downloads.get(blob)
    if (download === undefined) return
    this.#requests.cancelBlob(blob, out)
    this.#ranges.closeAll(download, out)
    const sources = [...download.sources.keys()]
    this.#downloads.remove(blob)
    for (const source of sources) this.#forgetIfIdle(source)
  }

  #originOpen(event: Event<'originOpen'>, out: LeecherEffect[]): void {
    const download = this.#downloads.get(event.blob)
    if (download === undefined) return
    download.origin.allowed = event.ranges
    download.origin.takesRanges = event.takesRanges ?? true
    download.origin.mayGrow = event.mayGrow ?? false
    download.origin.boundRanges(event.rangeBytes, this.#options.rangeBytes)
    if (event.ranges === 0) this.#ranges.closeAll(download, out)
  }

  #sourceLeft({ source, blob }: Event<'sourceLeft'>, out: LeecherEffect[]): void {
    this.#requests.cancelSource(source, blob, out)
    for (const download of this.#downloads) {
      if (blob !== undefined && download.blob !== blob) continue
      if (download.removeSource(source) === 'peer') noticeParting(download, this.#now, out)
    }
    this.#forgetIfIdle(source)
  }

  #forgetIfIdle(source: number): void {
    for (const download of this.#downloads) if (download.sources.has(source)) return
    this.#requests.sources.remove(source)
    this.#stuck.forget(source)
  }

  #progress(event: Event<'progress'>): void {
    const home = this.#requests.progress(event, this.#now)
    if (home !== undefined) this.#stuck.came(home, event.bytes, this.#now)
  }

  #stored({ blob, piece, id }: Event<'stored'>, out: LeecherEffect[]): void {
    if (id !== undefined) this.#requests.delivered(id, this.#now)
    const download = this.#downloads.get(blob)
    if (download === undefined) return
    this.#ranges.stored(download, piece, id === undefined, out)
    download.hashKnown.set(piece)
    download.progress.kept(this.#now)
    if (!download.keep(piece)) return
    download.search.found()
    if (download.pending(piece) > 0) this.#requests.cancelPiece(blob, piece, out)
    this.#completeIfDone(download, out)
    this.#requests.kept(download, this.#now, out)
  }

  #completeIfDone(download: Download, out: LeecherEffect[]): void {
    if (!download.have.complete || download.completed) return
    download.completed = true
    this.#requests.cancelBlob(download.blob, out)
    this.#ranges.closeAll(download, out)
    out.push({ type: 'complete', blob: download.blob })
  }

  /** Asks for as much as the limits allow: first of neighbours, then of homes, then of the origin. */
  #fill(out: LeecherEffect[]): void {
    const { inOrder } = this.#downloads
    for (const download of inOrder) if (this.#requests.failBy(download, this.#now)) this.#fillRanges(download, out)
    this.#requests.fillAwaited(this.#now, out)
    this.#requests.fill(this.#now, out)
    for (const download of inOrder) {
      if (download.completed) continue
      this.#requests.fillWants(download, this.#now, out)
      this.#fillRanges(download, out)
    }
  }

  #fillRanges(download: Download, out: LeecherEffect[]): void {
    if (download.origin.allowed === 0 || download.completed) return
    const failed = this.#requests.failBy(download, this.#now)
    this.#ranges.fill(download, (source) => !failed && this.#isUsable(source), this.#now, out)
  }

  #isUsable(source: number): boolean {
    return this.#requests.sources.usable(source, this.#now)
  }

  #tick(out: LeecherEffect[]): void {
    this.#requests.dropOverdue(this.#now, out)
    this.#ranges.tick(this.#now, out)
    for (const download of this.#downloads) this.#stuck.look(download, this.#now)
    for (const download of this.#downloads.inOrder) {
      if (download.completed) continue
      if (download.heldBack || this.#requests.waitsItsTurn(download)) download.progress.lively(this.#now)
      this.#requests.tickWants(download, this.#now, out)
      this.#requests.endgame(download, this.#now, out)
      noticeStarving(download, (source) => this.#isUsable(source), this.#stuck, this.#now, out)
    }
  }
}
