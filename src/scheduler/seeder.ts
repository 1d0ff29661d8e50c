import type { ReadonlyBitfield } from '../piece/bitfield.ts'

export type SeederEvent =
  /** A peer wants one piece. */
  | {
      readonly type: 'request'
      readonly peer: number
      readonly id: number
      readonly blob: number
      readonly piece: number
    }
  /** A peer wants any of these pieces, whichever the seeder likes to give. */
  | {
      readonly type: 'want'
      readonly peer: number
      readonly id: number
      readonly blob: number
      readonly wanted: ReadonlyBitfield
    }
  | { readonly type: 'cancel'; readonly peer: number; readonly id: number }
  /** New pieces of this blob can be served. */
  | { readonly type: 'available'; readonly blob: number }
  /** A send came to its end; `ok` false when the peer did not get it. */
  | { readonly type: 'sent'; readonly peer: number; readonly id: number; readonly ok: boolean }
  | { readonly type: 'peerGone'; readonly peer: number }

export type SeederEffect =
  | { readonly type: 'send'; readonly peer: number; readonly id: number; readonly blob: number; readonly piece: number }
  | { readonly type: 'busy'; readonly peer: number; readonly id: number; readonly queue: number }

export interface SeederOptions {
  /** Pieces sent at the same time. Few: a piece that is whole early can be passed on early (8 cost 16-34 %, simulated). */
  readonly slots: number
  /** Requests that may wait behind the slots; more are answered `busy`. */
  readonly queue: number
  /** Whether a request for a piece that is still to come waits for it (a home does) or is refused. */
  readonly parks: boolean
}

/** Enough for an agent: see `SeederOptions`. */
export const AGENT_SEEDER: SeederOptions = { slots: 2, queue: 4, parks: false }
/** A cache feeds many hosts, each slower than itself: it needs more sends at once to fill its uplink. */
export const CACHE_SEEDER: SeederOptions = { slots: 8, queue: 64, parks: true }

/** Sends under way to one peer: a second one keeps the link busy while the first is being acknowledged. */
const ACTIVE_PER_PEER = 2
/** Pieces remembered per peer as just sent: wants that crossed them on the wire still ask for them. */
const RECENT_PER_PEER = 4
const JUST_SENT = 2 ** 32
/** What one peer may have waiting here; more is answered `busy`, so that no peer can grow this queue. */
const WAITING_PER_PEER = 16

interface Waiting {
  readonly peer: number
  readonly id: number
  readonly blob: number
  /** The piece asked for, or undefined for a want. */
  readonly piece: number | undefined
  readonly wanted: ReadonlyBitfield | undefined
}

interface Sent {
  readonly blob: number
  readonly piece: number
}

interface SeededBlob {
  readonly have: ReadonlyBitfield
  /** How often each piece has been handed out: what super-seeding goes by. */
  readonly served: Uint32Array
}

/**
 * Decides what this host sends, to whom, next: explicit requests first come first served, wants by super-seeding - of
 * what the peer lacks, the piece handed out least often so far, ties by lowest index. Pure: events in, effects out.
 */
export class Seeder {
  readonly #options: SeederOptions
  readonly #blobs = new Map<number, SeededBlob>()
  readonly #waiting: Waiting[] = []
  readonly #waitingOf = new Map<number, number>()
  readonly #active = new Map<number, Map<number, Sent>>()
  readonly #recent = new Map<number, Sent[]>()
  #sending = 0

  constructor(options: SeederOptions) {
    this.#options = options
  }

  /** Pieces waiting for a slot: what `have`, `bitfield` and `busy` tell others of this host's load. */
  get queueLength(): number {
    return this.#waiting.length
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
    this.#dropWaiting((waiting) => waiting.blob === blob, out)
  }

  on(event: SeederEvent, out: SeederEffect[]): void {
    switch (event.type) {
      case 'request':
        this.#accept({ ...event, wanted: undefined }, out)
        break
      case 'want':
        this.#accept({ ...event, piece: undefined }, out)
        break
      case 'cancel':
        this.#dropWaiting((waiting) => waiting.peer === event.peer && waiting.id === event.id)
        break
      case 'sent':
        this.#finish(event.peer, event.id, event.ok)
        break
      case 'peerGone':
        this.#dropWaiting((waiting) => waiting.peer === event.peer)
        for (const id of [...(this.#active.get(event.peer)?.keys() ?? [])]) this.#finish(event.peer, id, false)
        this.#recent.delete(event.peer)
        break
      case 'available':
        break
    }
    this.#fill(out)
  }

  #accept(waiting: Waiting, out: SeederEffect[]): void {
    // the same id again is news of what the peer still lacks; it keeps its place in the queue
    const at = this.#waiting.findIndex((other) => other.peer === waiting.peer && other.id === waiting.id)
    if (at >= 0) {
      this.#waiting[at] = waiting
      return
    }
    const blob = this.#blobs.get(waiting.blob)
    const mine = this.#waitingOf.get(waiting.peer) ?? 0
    const refused =
      blob === undefined ||
      mine >= WAITING_PER_PEER ||
      (waiting.wanted !== undefined && waiting.wanted.length !== blob.have.length) ||
      (waiting.piece !== undefined && !this.#admits(blob, waiting.piece))
    if (refused) {
      out.push({ type: 'busy', peer: waiting.peer, id: waiting.id, queue: this.#waiting.length })
      return
    }
    this.#waiting.push(waiting)
    this.#waitingOf.set(waiting.peer, mine + 1)
  }

  #admits(blob: SeededBlob, piece: number): boolean {
    if (piece >= blob.have.length || (!this.#options.parks && !blob.have.has(piece))) return false
    return this.#waiting.length < this.#options.queue || this.#sending < this.#options.slots
  }

  #fill(out: SeederEffect[]): void {
    for (let i = 0; i < this.#waiting.length && this.#sending < this.#options.slots; ) {
      const waiting = this.#waiting[i]!
      const piece = this.#servable(waiting)
      if (piece === undefined) {
        i++
        continue
      }
      this.#removeAt(i)
      this.#start(waiting, piece)
      out.push({ type: 'send', peer: waiting.peer, id: waiting.id, blob: waiting.blob, piece })
    }
  }

  #servable(waiting: Waiting): number | undefined {
    const blob = this.#blobs.get(waiting.blob)
    if (blob === undefined || (this.#active.get(waiting.peer)?.size ?? 0) >= ACTIVE_PER_PEER) return undefined
    if (waiting.piece !== undefined) return blob.have.has(waiting.piece) ? waiting.piece : undefined
    if (waiting.wanted === undefined) return undefined
    const recent = this.#recent.get(waiting.peer)?.filter((sent) => sent.blob === waiting.blob) ?? []
    return leastServed(
      blob,
      waiting.wanted,
      recent.map((sent) => sent.piece),
    )
  }

  #start(waiting: Waiting, piece: number): void {
    const active = this.#active.get(waiting.peer) ?? new Map<number, Sent>()
    active.set(waiting.id, { blob: waiting.blob, piece })
    this.#active.set(waiting.peer, active)
    this.#sending++
    this.#blobs.get(waiting.blob)!.served[piece]!++
    const recent = this.#recent.get(waiting.peer) ?? []
    recent.push({ blob: waiting.blob, piece })
    if (recent.length > RECENT_PER_PEER) recent.shift()
    this.#recent.set(waiting.peer, recent)
  }

  #finish(peer: number, id: number, ok: boolean): void {
    const active = this.#active.get(peer)
    const send = active?.get(id)
    if (active === undefined || send === undefined) return
    active.delete(id)
    if (active.size === 0) this.#active.delete(peer)
    this.#sending--
    const blob = this.#blobs.get(send.blob)
    // a piece that did not arrive has not been handed out: otherwise its only copy may never leave this host
    if (!ok && blob !== undefined && blob.served[send.piece]! > 0) blob.served[send.piece]!--
  }

  #removeAt(index: number): Waiting {
    const waiting = this.#waiting.splice(index, 1)[0]!
    const left = (this.#waitingOf.get(waiting.peer) ?? 1) - 1
    if (left === 0) this.#waitingOf.delete(waiting.peer)
    else this.#waitingOf.set(waiting.peer, left)
    return waiting
  }

  #dropWaiting(which: (waiting: Waiting) => boolean, out?: SeederEffect[]): void {
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      if (!which(this.#waiting[i]!)) continue
      const waiting = this.#removeAt(i)
      out?.push({ type: 'busy', peer: waiting.peer, id: waiting.id, queue: this.#waiting.length })
    }
  }
}

/** Of `wanted`, what has been handed out least; what this peer was just sent only if nothing else is left. */
function leastServed(blob: SeededBlob, wanted: ReadonlyBitfield, recent: readonly number[]): number | undefined {
  let best: number | undefined
  let bestServed = Number.POSITIVE_INFINITY
  for (let word = 0; word < wanted.words; word++) {
    let bits = wanted.word(word) & blob.have.word(word)
    while (bits !== 0) {
      const piece = word * 32 + 31 - Math.clz32(bits & -bits)
      bits &= bits - 1
      const served = blob.served[piece]! + (recent.includes(piece) ? JUST_SENT : 0)
      if (served < bestServed) {
        best = piece
        bestServed = served
        if (served === 0) return best
      }
    }
  }
  return best
}
