import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import { addressGroup, placeOf } from './address-group.ts'
import type { Waiting } from './arrival-order.ts'
import { comesNext, givesWay } from './arrival-order.ts'
import type { SwarmLimits } from './options.ts'

/** How often it is looked whether anything has come. Looks are counted, not time: while this process is busy, nobody is quiet. */
const LOOK_EVERY_MS = 100
/** A connection is quiet after this many looks: before it has said anything, and while it is being served. */
const SILENT_LOOKS = 3
const SERVED_LOOKS = 3
/**
 * One that waits for its turn is closed after this many, to come again: served later, it would be given up by its dialler
 * halfway, and the work be lost.
 */
const TURN_LOOKS = 12
/** Connections that have said nothing cost little: this many times as many as are served at once. */
const OPEN_PER_SERVED = 4
/** From where no member has ever come, this many are served at once, and then this many a second: one costs 10 ms of CPU. */
const STRANGER = { most: 32, perSec: 16 }
const REMEMBERED_MS = 24 * 60 * 60 * 1000
const MAX_REMEMBERED = 8192

interface ArrivalsOptions {
  readonly clock: Clock
  readonly limits: Pick<SwarmLimits, 'maxHandshakes' | 'handshakeTimeoutMs'>
  /** A connection was closed to make room for another, or for want of it (`full`), or because its time was up. */
  readonly refused: (reason: 'full' | 'timeout') => void
}

interface Arrival extends Waiting {
  readonly socket: Socket
  readonly place: string
  readonly deadline: Disposable
  quietLooks: number
  bytesRead: number
  /** What is done with it when it has its turn; undefined until it has said something. */
  serve: (() => void) | undefined
}

/**
 * The inbound connections that are no links yet, from their first moment: how many may be open, which of them are served
 * (a noise or TLS handshake, an introduction), and which give way. Whoever has proven membership leaves it.
 */
export class Arrivals implements Disposable {
  readonly #options: ArrivalsOptions
  /** The first come first, in each. */
  readonly #open = new Map<string, Arrival>()
  readonly #served = new Map<string, Arrival>()
  readonly #known: ExpiringMap<true>
  readonly #allowances: ExpiringMap<TokenBucket>
  #timer: Disposable | undefined

  constructor(options: ArrivalsOptions) {
    this.#options = options
    this.#known = new ExpiringMap(options.clock, MAX_REMEMBERED)
    this.#allowances = new ExpiringMap(options.clock, MAX_REMEMBERED)
  }

  /** Those that are being served. */
  get served(): number {
    return this.#served.size
  }

  /** Takes a new connection. `heard` is called with its first byte, which stays to be read, when its turn has come. */
  take(socket: Socket, heard: (firstByte: number) => void): void {
    const { clock, limits, refused } = this.#options
    // Whoever gets the socket adds its own; until then, and in between, an error must have somebody to go to.
    socket.on('error', () => {})
    const { remoteAddress, remotePort } = socket
    const hasRoom = this.#open.size < limits.maxHandshakes * OPEN_PER_SERVED || this.#dropOpen()
    if (remoteAddress === undefined || remotePort === undefined || !hasRoom) {
      socket.destroy()
      refused('full')
      return
    }
    const place = placeOf(remoteAddress, remotePort)
    const deadline = clock.after(limits.handshakeTimeoutMs, () => {
      refused('timeout')
      socket.destroy()
    })
    const group = addressGroup(remoteAddress)
    const arrival: Arrival = { socket, place, group, deadline, quietLooks: 0, bytesRead: 0, serve: undefined }
    this.#open.set(place, arrival)
    socket.once('close', () => {
      this.#forget(arrival)
      this.#serveNext()
    })
    socket.once('readable', () => {
      const first: unknown = socket.read()
      if (!(first instanceof Uint8Array) || first.length === 0) {
        socket.destroy()
        return
      }
      socket.unshift(first)
      arrival.serve = () => heard(first[0]!)
      this.#serveNext()
    })
    this.#watch()
  }

  /** The connection from there has become a link, or a part of one. */
  settled(place: string): void {
    const arrival = this.#served.get(place)
    if (arrival === undefined) return
    this.#known.set(arrival.group, true, REMEMBERED_MS)
    this.#forget(arrival)
    this.#serveNext()
  }

  [Symbol.dispose](): void {
    for (const { socket } of [...this.#open.values(), ...this.#served.values()]) socket.destroy()
    this.#timer?.[Symbol.dispose]()
  }

  /** Not of those that have said their part and wait for this host. */
  #dropOpen(): boolean {
    const waiting = ({ serve, group }: Arrival): boolean => serve !== undefined && this.#affords(group)
    return this.#drop(
      [...this.#open.values()].filter((arrival) => !waiting(arrival)),
      SILENT_LOOKS,
    )
  }

  #serveNext(): void {
    const isKnown = (group: string): boolean => this.#known.get(group) === true
    for (;;) {
      const ready = [...this.#open.values()].filter(({ serve, group }) => serve !== undefined && this.#affords(group))
      const next = comesNext(ready, this.#served.values(), isKnown)
      if (next === undefined) return
      const hasRoom =
        this.#served.size < this.#options.limits.maxHandshakes || this.#drop(this.#served.values(), SERVED_LOOKS)
      if (!hasRoom) return
      if (!isKnown(next.group)) this.#allowance(next.group).take(1)
      this.#open.delete(next.place)
      this.#served.set(next.place, next)
      next.quietLooks = 0
      next.serve?.()
    }
  }

  #affords(group: string): boolean {
    return this.#known.get(group) === true || this.#allowance(group).left >= 1
  }

  /** What a group that no member has come from may still cost. */
  #allowance(group: string): TokenBucket {
    const allowance = this.#allowances.get(group) ?? new TokenBucket(this.#options.clock, STRANGER)
    this.#allowances.set(group, allowance, REMEMBERED_MS)
    return allowance
  }

  /** Whether one has given way. */
  #drop(arrivals: Iterable<Arrival>, leastLooks: number): boolean {
    const arrival = givesWay(arrivals, leastLooks)
    if (arrival !== undefined) this.#turnAway(arrival)
    return arrival !== undefined
  }

  #turnAway(arrival: Arrival): void {
    this.#options.refused('full')
    this.#forget(arrival)
    arrival.socket.destroy()
  }

  #forget(arrival: Arrival): void {
    arrival.deadline[Symbol.dispose]()
    for (const arrivals of [this.#open, this.#served]) {
      if (arrivals.get(arrival.place) === arrival) arrivals.delete(arrival.place)
    }
  }

  #watch(): void {
    this.#timer ??= this.#options.clock.after(LOOK_EVERY_MS, () => {
      this.#timer = undefined
      for (const arrival of [...this.#open.values(), ...this.#served.values()]) look(arrival)
      const late = [...this.#open.values()].filter(
        ({ serve, quietLooks }) => serve !== undefined && quietLooks > TURN_LOOKS,
      )
      for (const arrival of late) this.#turnAway(arrival)
      this.#serveNext()
      if (this.#open.size + this.#served.size > 0) this.#watch()
    })
  }
}

function look(arrival: Arrival): void {
  const { bytesRead } = arrival.socket
  arrival.quietLooks = bytesRead === arrival.bytesRead ? arrival.quietLooks + 1 : 0
  arrival.bytesRead = bytesRead
}
