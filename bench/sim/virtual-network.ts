import type { Rng } from '../../src/base/rng.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** Blocks in which a piece is sent: the grain at which links share an uplink. 4 to 32 change results by 1 %. */
export const BLOCKS = 4

export interface NetworkOptions {
  /** One way. */
  readonly latencyMs: number
  /** Up to this much is added to each message and block, at random; order within a pair of hosts is kept. */
  readonly jitterMs: number
  /** Bytes of one link that may be on their way: beyond them the sender waits for the receiver's downlink. */
  readonly windowBytes: number
  /** Bytes of one link that the sender's kernel takes at once: they cannot be taken back. */
  readonly bufferBytes: number
}

/** Bytes per millisecond. */
export interface HostLinks {
  readonly up: number
  readonly down: number
}

export interface SendEvents {
  /** The receiver has the header. */
  began(send: Send): void
  /** The receiver got some of the bytes. */
  progress(send: Send): void
  /** The receiver has all of the bytes. */
  done(send: Send): void
  /** The sender has handed over all of the bytes: nothing can be taken back. */
  written(send: Send): void
  /** The sender knows that the receiver has all of the bytes. */
  sent(send: Send): void
}

/** One piece on its way from one host to another. */
export interface Send {
  readonly from: number
  readonly to: number
  readonly id: number
  readonly blob: number
  readonly piece: number
  readonly blockBytes: number
  /** After this many blocks nothing more comes, without a word. */
  readonly silentAfter: number
  readonly corrupt: boolean
  /** Lives of both hosts at the start: what is under way to or from an earlier life is lost. */
  readonly fromLife: number
  readonly toLife: number
  readonly link: Link
  left: number
  delivered: number
  /** Its last bytes are in the sender's kernel. */
  accepted: boolean
  aborted: boolean
}

/** From one host to another: pieces go one after the other. */
class Link {
  readonly from: Port
  readonly to: number
  readonly sends: Send[] = []
  inFlightBytes = 0
  /** Not yet through the uplink. */
  backlogBytes = 0
  arrivalAt = 0
  active = false

  constructor(from: Port, to: number) {
    this.from = from
    this.to = to
  }
}

interface Port extends HostLinks {
  readonly links: Map<number, Link>
  /** Links with something to send, taking turns. */
  readonly active: Link[]
  next: number
  busy: boolean
  downFreeAt: number
}

/**
 * Hosts on a core that never blocks. Each has an uplink whose links take turns, block by block, and a downlink that
 * takes blocks in the order of leaving: close to max-min fair sharing, as long as a link's window is a few blocks. No
 * loss, no slow start, no headers: what remains is what the policy is answerable for.
 */
export class VirtualNetwork {
  readonly #clock: VirtualClock
  readonly #options: NetworkOptions
  readonly #rng: Rng
  readonly #events: SendEvents
  readonly #ports: Port[] = []
  messages = 0

  constructor(clock: VirtualClock, options: NetworkOptions, rng: Rng, events: SendEvents) {
    this.#clock = clock
    this.#options = options
    this.#rng = rng
    this.#events = events
  }

  addHost(id: number, links: HostLinks): void {
    this.#ports[id] = { ...links, links: new Map(), active: [], next: 0, busy: false, downFreeAt: 0 }
  }

  /** A small message: takes the latency and no bandwidth. */
  message<T>(from: number, to: number, deliver: (subject: T) => void, subject: T): void {
    this.messages++
    this.#clock.call(this.#delay(this.#link(from, to)), deliver, subject)
  }

  send(fields: Omit<Send, 'link' | 'left' | 'delivered' | 'accepted' | 'aborted'>): Send {
    const link = this.#link(fields.from, fields.to)
    const send: Send = { ...fields, link, left: 0, delivered: 0, accepted: false, aborted: false }
    link.sends.push(send)
    link.backlogBytes += BLOCKS * send.blockBytes
    if (link.backlogBytes <= this.#options.bufferBytes) this.#clock.call(0, this.#accept, send)
    if (!link.active) {
      link.active = true
      link.from.active.push(link)
    }
    this.#pump(link.from)
    return send
  }

  /** Takes back what the sender has not handed over yet; answers whether there was anything. */
  abort(send: Send): boolean {
    if (send.accepted || send.aborted) return false
    send.aborted = true
    const { link } = send
    const at = link.sends.indexOf(send)
    if (at >= 0) {
      link.sends.splice(at, 1)
      link.backlogBytes -= (BLOCKS - send.left) * send.blockBytes
    }
    this.#pump(link.from)
    return true
  }

  /** A host is gone: whatever waits to leave it, or to be sent to it by `others`, never will. */
  cut(id: number, others: Iterable<number>): void {
    for (const link of this.#ports[id]!.links.values()) this.#clear(link)
    for (const other of others) {
      const link = this.#ports[other]!.links.get(id)
      if (link !== undefined) this.#clear(link)
    }
  }

  #clear(link: Link): void {
    for (const send of link.sends) send.aborted = true
    link.sends.length = 0
    link.backlogBytes = 0
    this.#pump(link.from)
  }

  #link(from: number, to: number): Link {
    const port = this.#ports[from]!
    let link = port.links.get(to)
    if (link === undefined) {
      link = new Link(port, to)
      port.links.set(to, link)
    }
    return link
  }

  /** The uplink takes a block of the next link in turn that has one to give. */
  #pump(port: Port): void {
    if (port.busy) return
    const { active } = port
    for (let turns = active.length; turns > 0; turns--) {
      if (port.next >= active.length) port.next = 0
      const link = active[port.next]!
      const send = link.sends[0]
      if (send === undefined) {
        link.active = false
        active.splice(port.next, 1)
        continue
      }
      port.next++
      const full = link.inFlightBytes > 0 && link.inFlightBytes + send.blockBytes > this.#options.windowBytes
      if (full || send.left >= send.silentAfter) continue
      port.busy = true
      if (send.left === 0) this.#clock.call(this.#delay(link), this.#began, send)
      this.#clock.call(send.blockBytes / port.up, this.#leave, send)
      return
    }
  }

  readonly #began = (send: Send): void => {
    if (!send.aborted) this.#events.began(send)
  }

  readonly #accept = (send: Send): void => {
    if (send.aborted || send.accepted || send.silentAfter < BLOCKS) return
    send.accepted = true
    this.#events.written(send)
  }

  readonly #acknowledge = (send: Send): void => this.#events.sent(send)

  /** A block has left the uplink. */
  readonly #leave = (send: Send): void => {
    const { link } = send
    link.from.busy = false
    if (!send.aborted) {
      send.left++
      link.inFlightBytes += send.blockBytes
      link.backlogBytes -= send.blockBytes
      if (send.left === BLOCKS) link.sends.shift()
      this.#clock.call(this.#throughDownlink(send), this.#deliver, send)
      this.#acceptNext(link, send)
    }
    this.#pump(link.from)
  }

  /** What fits into the sender's kernel now. */
  #acceptNext(link: Link, send: Send): void {
    if (send.left === BLOCKS) this.#accept(send)
    let waiting = 0
    for (const next of link.sends) {
      waiting += (BLOCKS - next.left) * next.blockBytes
      if (waiting > this.#options.bufferBytes) return
      this.#accept(next)
    }
  }

  /** How long a block that leaves now takes to its receiver, whose downlink is kept for it from when it comes. */
  #throughDownlink({ to, link, blockBytes }: Send): number {
    const port = this.#ports[to]!
    const now = this.#clock.now()
    const arrival = now + this.#delay(link)
    port.downFreeAt = Math.max(arrival, port.downFreeAt) + blockBytes / port.down
    return port.downFreeAt - now
  }

  readonly #deliver = (send: Send): void => {
    const { link } = send
    link.inFlightBytes -= send.blockBytes
    send.delivered++
    if (!send.aborted) {
      if (send.delivered < BLOCKS) this.#events.progress(send)
      else {
        this.#clock.call(this.#options.latencyMs, this.#acknowledge, send)
        this.#events.done(send)
      }
    }
    this.#pump(link.from)
  }

  /** Latency and jitter, never overtaking what was sent before between the same two. */
  #delay(link: Link): number {
    const now = this.#clock.now()
    const { latencyMs, jitterMs } = this.#options
    if (jitterMs === 0) return latencyMs
    const arrival = Math.max(now + latencyMs + this.#rng.next() * jitterMs, link.arrivalAt)
    link.arrivalAt = arrival
    return arrival - now
  }
}
