import type { Rng } from '../base/rng.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** Blocks in which a piece is sent: the grain at which links share an uplink. 4 to 32 change results by 1 %. */
export const BLOCKS = 4
/** A receiver hears of a piece that is coming this often at most: what it decides by that is about longer times. */
const PROGRESS_MS = 50

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
interface HostLinks {
  readonly up: number
  readonly down: number
}

export interface SendEvents {
  /** In `ms` the receiver has the header. */
  begins(send: Send, ms: number): void
  /** In `ms` the receiver has this many bytes more. */
  progresses(send: Send, ms: number, bytes: number): void
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
  /** When its receiver last heard of it, and the blocks that it has not heard of. */
  toldAt: number
  untold: number
  /** Its last bytes are in the sender's kernel. */
  accepted: boolean
  aborted: boolean
}

/** From one host to another: pieces go one after the other. */
class Link {
  readonly from: Port
  readonly to: number
  readonly sends: Send[] = []
  /** Blocks on their way, by turns: when each is through the downlink, and its bytes. */
  readonly #flight: number[] = []
  #inFlightBytes = 0
  /** Not yet through the uplink. */
  backlogBytes = 0
  arrivalAt = 0
  active = false

  constructor(from: Port, to: number) {
    this.from = from
    this.to = to
  }

  /** A block is on its way until then. */
  took(bytes: number, until: number): void {
    this.#flight.push(until, bytes)
    this.#inFlightBytes += bytes
  }

  /** Until when a block must wait because too much is on its way; 0 when it need not. */
  fullUntil(bytes: number, windowBytes: number, now: number): number {
    while (this.#flight.length > 0 && this.#flight[0]! <= now) {
      this.#flight.shift()
      this.#inFlightBytes -= this.#flight.shift()!
    }
    if (this.#inFlightBytes === 0 || this.#inFlightBytes + bytes <= windowBytes) return 0
    return this.#flight[0]!
  }
}

interface Port extends HostLinks {
  readonly links: Map<number, Link>
  /** Links with something to send, taking turns. */
  readonly active: Link[]
  next: number
  busy: boolean
  /** When it looks again for what it may send. */
  wakesAt: number
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
    this.#ports[id] = {
      ...links,
      links: new Map(),
      active: [],
      next: 0,
      busy: false,
      wakesAt: Number.POSITIVE_INFINITY,
      downFreeAt: 0,
    }
  }

  /** A small message: takes the latency and no bandwidth. */
  message<T>(from: number, to: number, deliver: (subject: T) => void, subject: T): void {
    this.messages++
    this.#clock.call(this.#delay(this.#link(from, to)), deliver, subject)
  }

  /** How long a small message takes that is sent now. */
  messageMs(from: number, to: number): number {
    this.messages++
    return this.#delay(this.#link(from, to))
  }

  send(fields: Omit<Send, 'link' | 'left' | 'toldAt' | 'untold' | 'accepted' | 'aborted'>): Send {
    const link = this.#link(fields.from, fields.to)
    const send: Send = { ...fields, link, left: 0, toldAt: 0, untold: 0, accepted: false, aborted: false }
    link.sends.push(send)
    link.backlogBytes += BLOCKS * send.blockBytes
    if (link.backlogBytes <= this.#options.bufferBytes) this.#clock.soon(this.#accept, send)
    if (!link.active) {
      link.active = true
      link.from.active.push(link)
    }
    this.#pump(link.from)
    return send
  }

  /** What waits to leave a host, by its id. */
  find(from: number, to: number, id: number): Send | undefined {
    return this.#link(from, to).sends.find((send) => send.id === id)
  }

  /** Takes back what the sender has not handed over yet; returns whether there was anything. */
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
    const now = this.#clock.now()
    let wakesAt = Number.POSITIVE_INFINITY
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
      if (send.left >= send.silentAfter) continue
      const fullUntil = link.fullUntil(send.blockBytes, this.#options.windowBytes, now)
      if (fullUntil > 0) {
        wakesAt = Math.min(wakesAt, fullUntil)
        continue
      }
      port.busy = true
      if (send.left === 0) this.#begin(send, now)
      this.#clock.call(send.blockBytes / port.up, this.#leave, send)
      return
    }
    if (wakesAt >= port.wakesAt) return
    port.wakesAt = wakesAt
    this.#clock.call(wakesAt - now, this.#wake, port)
  }

  readonly #wake = (port: Port): void => {
    port.wakesAt = Number.POSITIVE_INFINITY
    this.#pump(port)
  }

  #begin(send: Send, now: number): void {
    send.toldAt = now
    this.#events.begins(send, this.#delay(send.link))
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
      send.untold++
      link.backlogBytes -= send.blockBytes
      const ms = this.#throughDownlink(send)
      link.took(send.blockBytes, this.#clock.now() + ms)
      if (send.left < BLOCKS) this.#tell(send, ms)
      else {
        link.sends.shift()
        this.#clock.call(ms, this.#deliver, send)
      }
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

  #tell(send: Send, ms: number): void {
    const at = this.#clock.now() + ms
    if (at - send.toldAt < PROGRESS_MS) return
    send.toldAt = at
    this.#events.progresses(send, ms, send.untold * send.blockBytes)
    send.untold = 0
  }

  /** The last of its blocks is there. */
  readonly #deliver = (send: Send): void => {
    if (send.aborted) return
    this.#clock.call(this.#options.latencyMs, this.#acknowledge, send)
    this.#events.done(send)
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
