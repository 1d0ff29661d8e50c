import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { SeederEffect, SeederEvent, SeederOptions } from './seeder-types.ts'
import type { SeededBlob } from './super-seeding.ts'
import { leastServed } from './super-seeding.ts'

/** Sends under way to one peer: a second one keeps the link busy while the first is being acknowledged. */
const ACTIVE_PER_PEER = 2
/** What is remembered per peer as just sent: messages that crossed it on the wire still ask for it. */
const RECENT_PER_PEER = 16
/** What one peer may have waiting here; more is answered `busy`, so that no peer can grow this queue. */
const WAITING_PER_PEER = 32
/** Pieces for pulls between two for the background: without any, those who wait for it would take this host for dead. */
const PULLS_PER_BACKGROUND = 7

interface Waiting {
  readonly peer: number
  readonly id: number
  readonly blob: number
  /** The piece asked for, or undefined for a want. */
  readonly piece: number | undefined
  readonly wanted: ReadonlyBitfield | undefined
  /** Behind all that is not. */
  readonly background: boolean
}

interface Chosen {
  readonly id: number
  readonly blob: number
  readonly piece: number
}

interface Sent extends Chosen {
  writing: boolean
  readonly background: boolean
}

interface Asker {
  readonly waiting: Waiting[]
  readonly active: Map<number, Sent>
  readonly recent: Sent[]
}

/**
 * Decides what this host sends, to whom, next. What somebody waits for goes before the background, which has one send at
 * a time beside it. Peers take turns, a piece each, so that the first to ask cannot keep the others from having something
 * to pass on; of one peer, first come first served. A want gets what super-seeding chooses: of what the peer lacks, the
 * piece handed out least often so far, ties by lowest index. Pure: events in, effects out.
 */
export class Seeder {
  readonly #options: SeederOptions
  readonly #blobs = new Map<number, SeededBlob>()
  readonly #askers = new Map<number, Asker>()
  /** Peers with something waiting; the first is next. */
  readonly #turns = new Set<number>()
  #queued = 0
  /** Of these, for the background. */
  #inBackground = 0
  #sendingInBackground = 0
  /** Pieces for pulls since one for the background. */
  #pullsInARow = 0
  #sending = 0
  #writing = 0

  constructor(options: SeederOptions) {
    this.#options = options
  }

  /** Pieces waiting for a slot: what `have`, `bitfield` and `busy` tell others of this host's load. */
  get queueLength(): number {
    return this.#queued
  }

  get sending(): number {
    return this.#sending
  }

  /** Begins to serve a blob; `have` is read live. */
  addBlob(blob: number, have: ReadonlyBitfield): void {
    this.#blobs.set(blob, { have, served: new Uint32Array(have.length) })
  }

  /** Stops serving a blob; what waits for it is answered `busy`. */
  removeBlob(blob: number, out: SeederEffect[]): void {
    this.#blobs.delete(blob)
    for (const [peer, { waiting }] of this.#askers) {
      for (const { id } of waiting.filter((one) => one.blob === blob)) {
        this.#drop(peer, id)
        out.push({ type: 'busy', peer, id, queue: this.#queued })
      }
    }
  }

  on(event: SeederEvent, out: SeederEffect[]): void {
    switch (event.type) {
      case 'request':
        this.#accept({ ...event, wanted: undefined }, out)
        return
      case 'want':
        this.#accept({ ...event, piece: undefined }, out)
        return
      case 'cancel':
        this.#drop(event.peer, event.id)
        return
      case 'written':
        this.#written(event.peer, event.id)
        break
      case 'sent':
        this.#finish(event.peer, event.id, event.ok)
        break
      case 'peerGone':
        this.#forget(event.peer)
        break
      case 'available':
        break
    }
    this.#fill(out)
  }

  #accept(asked: Waiting, out: SeederEffect[]): void {
    const asker: Asker = this.#askers.get(asked.peer) ?? { waiting: [], active: new Map(), recent: [] }
    // news of a want that crossed its piece on the wire
    if (asker.active.has(asked.id) || asker.recent.some((sent) => sent.id === asked.id)) return
    const at = asker.waiting.findIndex((other) => other.id === asked.id)
    if (!this.#admits(asked, asker, at >= 0, out)) {
      this.#drop(asked.peer, asked.id)
      out.push({ type: 'busy', peer: asked.peer, id: asked.id, queue: this.#queued })
      return
    }
    this.#askers.set(asked.peer, asker)
    if (at >= 0) {
      // the same id again is news of what the peer still lacks; it keeps its place in the queue
      this.#inBackground += Number(asked.background) - Number(asker.waiting[at]!.background)
      asker.waiting[at] = asked
    } else {
      asker.waiting.push(asked)
      this.#queued++
      this.#inBackground += Number(asked.background)
      this.#turns.add(asked.peer)
    }
    // whatever else waits could not be served before, and cannot now
    if (this.#freeFor(asked.background)) this.#serve(asked.peer, asker, asked.background, out)
  }

  #admits(
    { blob: number, piece, wanted, background }: Waiting,
    asker: Asker,
    again: boolean,
    out: SeederEffect[],
  ): boolean {
    const blob = this.#blobs.get(number)
    if (blob === undefined) return false
    if (!again && asker.waiting.length >= WAITING_PER_PEER) return false
    if (piece === undefined) return wanted?.length === blob.have.length
    if (piece >= blob.have.length || (!this.#options.parks && !blob.have.has(piece))) return false
    return again || this.#queued < this.#options.queue || this.#free || (!background && this.#makeRoom(out))
  }

  /** Gives up what waits last for the background; false when nothing does. */
  #makeRoom(out: SeederEffect[]): boolean {
    if (this.#inBackground === 0) return false
    for (const peer of [...this.#turns].reverse()) {
      const last = this.#askers.get(peer)!.waiting.findLast(({ background }) => background)
      if (last === undefined) continue
      this.#drop(peer, last.id)
      out.push({ type: 'busy', peer, id: last.id, queue: this.#queued })
      return true
    }
    return false
  }

  /** Whether one more send may begin. */
  get #free(): boolean {
    return this.#writing < this.#options.slots && this.#sending < this.#options.underWay
  }

  /** More than one send for the background would take their share of the link from the pulls. */
  #freeFor(background: boolean): boolean {
    const crowded = this.#sendingInBackground > 0 && this.#sending > this.#sendingInBackground
    return this.#free && !(background && crowded)
  }

  /** Pulls first; the background has its piece when it is due, and what pulls leave. */
  #fill(out: SeederEffect[]): void {
    if (this.#pullsInARow >= PULLS_PER_BACKGROUND) this.#serveAll(true, 1, out)
    this.#serveAll(false, Number.POSITIVE_INFINITY, out)
    this.#serveAll(true, Number.POSITIVE_INFINITY, out)
  }

  /** Round by round, until the slots are full, a whole round brought nothing or `most` are served. */
  #serveAll(background: boolean, most: number, out: SeederEffect[]): void {
    let left = Math.min(most, background ? this.#inBackground : this.#queued - this.#inBackground)
    for (let served = true; served && left > 0 && this.#freeFor(background); ) {
      served = false
      for (const peer of [...this.#turns]) {
        if (left === 0 || !this.#freeFor(background)) return
        if (!this.#serve(peer, this.#askers.get(peer)!, background, out)) continue
        served = true
        left--
      }
    }
  }

  #serve(peer: number, asker: Asker, background: boolean, out: SeederEffect[]): boolean {
    if (asker.active.size >= ACTIVE_PER_PEER) return false
    const choice = this.#choose(asker, background)
    if (choice === undefined) return false
    const { id, blob, piece } = choice
    this.#drop(peer, id)
    this.#start(asker, { id, blob, piece, writing: true, background })
    this.#pullsInARow = background ? 0 : this.#pullsInARow + 1
    // behind all others that wait
    if (this.#turns.delete(peer)) this.#turns.add(peer)
    out.push({ type: 'send', peer, id, blob, piece })
    return true
  }

  /** The first request that can be served, or of all wants' pieces the one handed out least, whatever blob it is of. */
  #choose({ waiting, recent }: Asker, background: boolean): Chosen | undefined {
    let best: Chosen | undefined
    let bestServed = Number.POSITIVE_INFINITY
    // a peer that names a piece needs that very one
    for (const { id, blob, piece, background: isLast } of waiting) {
      if (isLast !== background || piece === undefined) continue
      if (this.#blobs.get(blob)?.have.has(piece) === true) return { id, blob, piece }
    }
    for (const asked of waiting) {
      if (asked.background !== background) continue
      const { id, blob: number, wanted } = asked
      const blob = this.#blobs.get(number)
      if (blob === undefined || wanted === undefined) continue
      const sent = recent.filter((one) => one.blob === number).map((one) => one.piece)
      const least = leastServed(blob, wanted, sent)
      if (least === undefined || least.served >= bestServed) continue
      best = { id, blob: number, piece: least.piece }
      bestServed = least.served
      if (bestServed === 0) return best
    }
    return best
  }

  #start(asker: Asker, send: Sent): void {
    asker.active.set(send.id, send)
    this.#sending++
    this.#writing++
    this.#sendingInBackground += Number(send.background)
    this.#blobs.get(send.blob)!.served[send.piece]!++
    asker.recent.push(send)
    if (asker.recent.length > RECENT_PER_PEER) asker.recent.shift()
  }

  #written(peer: number, id: number): void {
    const send = this.#askers.get(peer)?.active.get(id)
    if (send === undefined || !send.writing) return
    send.writing = false
    this.#writing--
  }

  #finish(peer: number, id: number, ok: boolean): void {
    const asker = this.#askers.get(peer)
    const send = asker?.active.get(id)
    if (asker === undefined || send === undefined) return
    this.#written(peer, id)
    asker.active.delete(id)
    this.#sending--
    this.#sendingInBackground -= Number(send.background)
    if (ok) return
    const recent = asker.recent.indexOf(send)
    if (recent >= 0) asker.recent.splice(recent, 1)
    // a piece that did not arrive has not been handed out: otherwise its only copy may never leave this host
    const blob = this.#blobs.get(send.blob)
    if (blob !== undefined && blob.served[send.piece]! > 0) blob.served[send.piece]!--
  }

  #forget(peer: number): void {
    const asker = this.#askers.get(peer)
    if (asker === undefined) return
    for (const { id } of [...asker.waiting]) this.#drop(peer, id)
    for (const id of [...asker.active.keys()]) this.#finish(peer, id, false)
    this.#askers.delete(peer)
  }

  #drop(peer: number, id: number): void {
    const asker = this.#askers.get(peer)
    const at = asker?.waiting.findIndex((one) => one.id === id) ?? -1
    if (asker === undefined || at < 0) return
    const [dropped] = asker.waiting.splice(at, 1)
    this.#queued--
    this.#inBackground -= Number(dropped!.background)
    if (asker.waiting.length === 0) this.#turns.delete(peer)
  }
}
