import type { Rng } from '../../src/base/rng.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** Blocks in which a piece is sent: the grain at which sends share an uplink. */
const BLOCKS = 4

export interface NetworkOptions {
  readonly latencyMs: number
  /** Up to this much is added to each message and block, at random; order within a pair of hosts is kept. */
  readonly jitterMs: number
  /**
   * Blocks of one send that may be on their way. From 4 on, a receiver's full downlink never holds a sender up (its
   * buffers take the piece); fewer make the sender wait with it, as a transport's window does.
   */
  readonly windowBlocks: number
}

/** Milliseconds one whole piece occupies a host's links. */
export interface HostLinks {
  readonly upMs: number
  readonly downMs: number
}

export interface SendEvents {
  /** The receiver has the header. */
  readonly began: () => void
  /** The receiver got some of the bytes. */
  readonly progress: () => void
  /** The receiver has all of the bytes. */
  readonly done: () => void
  /** The sender has got rid of all of the bytes: they left its uplink, or with a small window, arrived. */
  readonly sent: () => void
}

export interface Send {
  readonly from: number
  readonly to: number
  readonly events: SendEvents
  /** After this many blocks nothing more comes, without a word. */
  readonly silentAfter: number
  sent: number
  delivered: number
  aborted: boolean
}

interface Host extends HostLinks {
  readonly sends: Send[]
  next: number
  busy: boolean
  downFreeAt: number
}

/**
 * Hosts on a core that never blocks: each has an uplink shared in turns by its sends, block by block, and a downlink
 * that takes blocks in the order of arrival. No loss, no slow start: what remains is what the policy is answerable for.
 */
export class VirtualNetwork {
  readonly #clock: VirtualClock
  readonly #options: NetworkOptions
  readonly #rng: Rng
  readonly #hosts = new Map<number, Host>()
  readonly #arrivals = new Map<string, number>()
  messages = 0

  constructor(clock: VirtualClock, options: NetworkOptions, rng: Rng) {
    this.#clock = clock
    this.#options = options
    this.#rng = rng
  }

  addHost(id: number, links: HostLinks): void {
    this.#hosts.set(id, { ...links, sends: [], next: 0, busy: false, downFreeAt: 0 })
  }

  /** A small message: takes the latency and no bandwidth. */
  message(from: number, to: number, deliver: () => void): void {
    this.messages++
    this.#clock.after(this.#delay(`${from} ${to}`), deliver)
  }

  send(from: number, to: number, events: SendEvents, silentAfter: number = Number.POSITIVE_INFINITY): Send {
    const send: Send = { from, to, events, silentAfter, sent: 0, delivered: 0, aborted: false }
    this.#hosts.get(from)!.sends.push(send)
    this.#clock.after(this.#delay(`${from} ${to}`), () => {
      if (!send.aborted) events.began()
    })
    this.#pump(from)
    return send
  }

  abort(send: Send): void {
    send.aborted = true
    this.#remove(send)
    this.#pump(send.from)
  }

  #remove(send: Send): boolean {
    const host = this.#hosts.get(send.from)!
    const at = host.sends.indexOf(send)
    if (at < 0) return false
    host.sends.splice(at, 1)
    if (host.next > at) host.next--
    return true
  }

  /** The uplink takes the next send in turn that has a block to give. */
  #pump(id: number): void {
    const host = this.#hosts.get(id)!
    if (host.busy) return
    for (let turn = 0; turn < host.sends.length; turn++) {
      const at = (host.next + turn) % host.sends.length
      const send = host.sends[at]!
      if (
        send.sent >= BLOCKS ||
        send.sent - send.delivered >= this.#options.windowBlocks ||
        send.sent >= send.silentAfter
      )
        continue
      host.next = at + 1
      host.busy = true
      send.sent++
      this.#clock.after(host.upMs / BLOCKS, () => {
        host.busy = false
        this.#fly(send)
        if (send.sent === BLOCKS && this.#options.windowBlocks >= BLOCKS) this.#leave(send)
        this.#pump(id)
      })
      return
    }
  }

  #fly(send: Send): void {
    this.#clock.after(this.#delay(`${send.from} ${send.to}`), () => {
      const receiver = this.#hosts.get(send.to)!
      const at = Math.max(this.#clock.now(), receiver.downFreeAt) + receiver.downMs / BLOCKS
      receiver.downFreeAt = at
      this.#clock.after(at - this.#clock.now(), () => this.#deliver(send))
    })
  }

  #deliver(send: Send): void {
    if (send.aborted) return
    send.delivered++
    if (send.delivered < BLOCKS) {
      send.events.progress()
    } else {
      this.#leave(send)
      send.events.done()
    }
    this.#pump(send.from)
  }

  #leave(send: Send): void {
    if (send.aborted || !this.#remove(send)) return
    send.events.sent()
  }

  /** Latency and jitter, never overtaking what was sent before between the same two. */
  #delay(pair: string): number {
    const now = this.#clock.now()
    const at = now + this.#options.latencyMs + this.#rng.next() * this.#options.jitterMs
    const arrival = Math.max(at, this.#arrivals.get(pair) ?? 0)
    this.#arrivals.set(pair, arrival)
    return arrival - now
  }
}
