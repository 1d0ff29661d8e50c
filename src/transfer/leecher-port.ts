import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import { isProvenBy } from '../piece/piece-proof.ts'
import type { LeecherEffect, LeecherEvent, LeecherOptions, SourceKind } from '../scheduler/index.ts'
import { Leecher } from '../scheduler/index.ts'
import type { PeerLink, PieceSink } from '../swarm/index.ts'
import { WIRE_LIMITS } from '../swarm/index.ts'
import type { Actives } from './actives.ts'
import type { RunEffect } from './engine-effect.ts'
import type { LinkNumbers } from './id-map.ts'
import { transferMessages } from './messages.ts'
import type { TransferMetrics } from './metrics.ts'
import type { PieceBuffers } from './piece-buffers.ts'
import { isStandIn } from './stand-ins.ts'
import type { Transfer } from './transfer.ts'

/** How long a piece that came before its hash waits for it: both travel on streams of their own. */
const HASH_WAIT_MS = 5_000

interface LeecherPortDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: TransferMetrics
  readonly links: LinkNumbers
  readonly buffers: PieceBuffers
  readonly download: RateLimiter
  readonly actives: Pick<Actives, 'at'>
  /** Takes what is not about one link. */
  readonly run: RunEffect
}

interface Asked {
  readonly link: PeerLink
  readonly transfer: Transfer
  /** Undefined for a want: which piece it is, the home says. */
  readonly piece: number | undefined
  readonly abort: AbortController
  /** It had its share of the download limit: the peer has been asked. */
  isSent: boolean
  /** Of a want: the pieces that may be chosen from, as they are now. */
  wanted?: Uint8Array
}

/** Drives the leecher with real links: sends what it asks for, verifies what comes, tells it what happened. */
export class LeecherPort {
  readonly #deps: LeecherPortDeps
  readonly #leecher: Leecher
  readonly #asked = new Map<number, Asked>()
  readonly #queue: LeecherEvent[] = []
  #draining = false

  constructor(options: LeecherOptions, deps: LeecherPortDeps) {
    this.#deps = deps
    this.#leecher = new Leecher(options)
  }

  /** Feeds one event and carries out what follows from it. Safe to call from within an effect. */
  drive(event: LeecherEvent): void {
    this.#queue.push(event)
    if (this.#draining) return
    this.#draining = true
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const effects: LeecherEffect[] = []
        this.#leecher.on(next, this.#deps.clock.now(), effects)
        for (const effect of effects) this.#run(effect)
      }
    } finally {
      this.#draining = false
    }
  }

  /** Makes a link a source of a blob. */
  join(transfer: Transfer, link: PeerLink, kind: SourceKind, distance: number): void {
    const source = this.#deps.links.number(link)
    this.drive({ type: 'sourceJoined', source, blob: transfer.blob, kind, distance, isStandIn: isStandIn(link) })
  }

  mute(link: PeerLink): void {
    const source = this.#deps.links.find(link)
    if (source !== undefined) this.drive({ type: 'sourceMute', source })
  }

  /** What a source is to a blob, by their numbers, if it is one. */
  kindOf(blob: number, source: number): SourceKind | undefined {
    return this.#leecher.kindOf(blob, source)
  }

  leave(transfer: Transfer, link: PeerLink): void {
    const source = this.#deps.links.find(link)
    if (source !== undefined) this.drive({ type: 'sourceLeft', source, blob: transfer.blob })
  }

  removeBlob(transfer: Transfer): void {
    this.drive({ type: 'blobRemoved', blob: transfer.blob })
  }

  /** The peer will not send what `id` asked for now. */
  busy(link: PeerLink, id: number, queue: number): void {
    if (this.#asked.get(id)?.link !== link) return
    this.#drop(id)
    this.drive({ type: 'failed', id, reason: 'busy', queue })
  }

  /** A home or parent has begun to send what `id` asked for, and nothing of it has come: does the link carry pieces at all? */
  begun(link: PeerLink, id: number, piece: number): void {
    const asked = this.#asked.get(id)
    if (asked?.link !== link || !mayBe(asked, piece)) return
    if (this.kindOf(asked.transfer.blob, this.#deps.links.number(link)) === 'peer') return
    this.drive({ type: 'began', id, piece })
  }

  #run(effect: LeecherEffect): void {
    switch (effect.type) {
      case 'request':
        return this.#request(effect)
      case 'want':
        return this.#want(effect)
      case 'cancel': {
        const asked = this.#asked.get(effect.id)
        this.#drop(effect.id)
        asked?.link.send(transferMessages.cancel, { id: effect.id })
        return
      }
      default:
        this.#deps.run(effect)
    }
  }

  #request({ blob, source, id, piece, background, urgent }: Extract<LeecherEffect, { type: 'request' }>): void {
    const { actives, links } = this.#deps
    const transfer = actives.at(blob)?.transfer
    const link = links.key(source)
    if (transfer === undefined || link === undefined) return
    if (urgent && this.kindOf(blob, source) !== 'peer' && link.speaks(transferMessages.urgent))
      link.send(transferMessages.urgent, { blob: transfer.digest, first: piece, count: 1 })
    const request = { id, blob: transfer.digest, piece, background }
    this.#ask(id, { link, transfer, piece, abort: new AbortController(), isSent: false }, () =>
      link.send(transferMessages.request, request),
    )
  }

  /** Wants that the home has are told the news at once. Others wait for their share of the download limit, and then say the latest. */
  #want(effect: Extract<LeecherEffect, { type: 'want' }>): void {
    const { ids, background } = effect
    const transfer = this.#deps.actives.at(effect.blob)?.transfer
    const link = this.#deps.links.key(effect.source)
    if (transfer === undefined || link === undefined) return
    const wanted = effect.wanted.toBytes()
    const send = (some: readonly number[], latest: Uint8Array): void =>
      link.send(transferMessages.want, { ids: some, blob: transfer.digest, wanted: latest, background })
    const limited = this.#deps.download.bytesPerSec > 0
    const atOnce: number[] = []
    for (const id of ids) {
      const before = this.#asked.get(id)
      const abort = new AbortController()
      const asked: Asked = before ?? { link, transfer, piece: undefined, abort, isSent: !limited }
      asked.wanted = wanted
      if (asked.isSent) atOnce.push(id)
      if (before === undefined) this.#ask(id, asked, () => send([id], asked.wanted ?? wanted))
    }
    for (let first = 0; first < atOnce.length; first += WIRE_LIMITS.wants) {
      send(atOnce.slice(first, first + WIRE_LIMITS.wants), wanted)
    }
  }

  /** Expects the answer; sends the question, unless it has been, in its turn under the download limit. */
  #ask(id: number, asked: Asked, send: () => void): void {
    const { download } = this.#deps
    this.#asked.set(id, asked)
    asked.link.expect(id, this.#sink(id, asked))
    if (asked.isSent) return
    const go = (): void => {
      asked.isSent = true
      send()
    }
    if (download.bytesPerSec === 0) go()
    else download.take(asked.transfer.layout.pieceSize, asked.abort.signal).then(go, () => {})
  }

  #drop(id: number): void {
    const asked = this.#asked.get(id)
    if (asked === undefined) return
    this.#asked.delete(id)
    asked.abort.abort()
    asked.link.forget(id)
  }

  #sink(id: number, asked: Asked): PieceSink {
    const { transfer } = asked
    const { layout } = transfer
    let arriving = -1
    let seen = 0
    let buffer: Uint8Array<ArrayBuffer> | undefined
    return {
      begin: (begun, length) => {
        if (!mayBe(asked, begun) || length !== layout.length(begun)) return undefined
        arriving = begun
        buffer = this.#deps.buffers.take(layout.pieceSize, length)
        this.drive({ type: 'began', id, piece: begun })
        return buffer
      },
      progress: (received) => {
        this.drive({ type: 'progress', id, bytes: received - seen })
        seen = received
      },
      end: () => {
        if (buffer === undefined) return
        asked.link.forget(id)
        void this.#arrived(id, asked, arriving, buffer)
      },
    }
  }

  /** Never rejects. */
  async #arrived(id: number, asked: Asked, piece: number, buffer: Uint8Array<ArrayBuffer>): Promise<void> {
    const { transfer, link } = asked
    let kept = false
    this.#deps.metrics.received(transfer, link, buffer.length)
    try {
      if (transfer.partial.have.has(piece)) {
        this.#deps.metrics.rejected('duplicate')
        this.#finish(id, { type: 'failed', id, reason: 'lost', queue: 0 })
        return
      }
      await this.#hashKnown(transfer, piece)
      const expected = transfer.pieceHashes.hash(piece)
      if (expected === undefined || !isProvenBy(expected, transfer.layout, piece, buffer)) {
        this.#deps.metrics.rejected(expected === undefined ? 'no_hash' : 'wrong_bytes')
        const lied = expected !== undefined && transfer.pieceHashes.vouched(piece)
        transfer.pieceHashes.doubt(piece)
        this.#finish(id, { type: 'failed', id, reason: 'corrupt', queue: 0 })
        if (lied) this.#deps.run({ type: 'caught', transfer, piece, link })
        return
      }
      kept = await transfer.store(piece, buffer, expected)
      if (!kept) {
        this.#finish(id, { type: 'failed', id, reason: 'lost', queue: 0 })
        return
      }
      this.#finish(id, { type: 'stored', blob: transfer.blob, piece, id })
      this.#deps.run({ type: 'kept', transfer, piece })
    } catch (error) {
      this.#finish(id, { type: 'failed', id, reason: 'lost', queue: 0 })
      if (!transfer.signal.aborted) this.#deps.run({ type: 'broken', transfer, error })
      else if (!isShoalError(error)) this.#deps.logger.debug({ err: error }, 'a piece came too late')
    } finally {
      this.#deps.buffers.give(buffer, kept ? { blob: transfer.digest, piece } : undefined)
    }
  }

  async #hashKnown(transfer: Transfer, piece: number): Promise<void> {
    if (transfer.pieceHashes.hash(piece) !== undefined) return
    const deadline = this.#deps.clock.now() + HASH_WAIT_MS
    while (transfer.pieceHashes.hash(piece) === undefined && this.#deps.clock.now() < deadline) {
      if (!(await transfer.nextChange(deadline - this.#deps.clock.now()))) return
    }
  }

  #finish(id: number, event: LeecherEvent): void {
    this.#asked.delete(id)
    this.drive(event)
  }
}

/** Whether this piece may come for what was asked. */
function mayBe({ piece, transfer }: Asked, begun: number): boolean {
  return piece === undefined ? begun < transfer.layout.count : begun === piece
}
