import type { ReadonlyBitfield } from '../../src/piece/bitfield.ts'
import { Bitfield } from '../../src/piece/bitfield.ts'
import { oneTooMany } from '../../src/scheduler/index.ts'
import type { VirtualHost } from './virtual-host.ts'
import type { Message } from './virtual-message.ts'

/** As the daemon's neighbourhood has it. */
const OTHER_ZONE_DISTANCE = 3
/** A new connection takes this many trips: TCP, noise, the muxer, the streams. */
const DIAL_TRIPS = 6

interface Introduction {
  readonly blob: number
  readonly bits: ReadonlyBitfield
  readonly queue: number
}

interface Surroundings {
  message<T>(from: VirtualHost, to: number, content: T, hear: (message: Message<T>) => void): void
  afterTrips(trips: number, fn: () => void): void
}

/** Who becomes whose neighbour: what the daemon's `Neighbourhood` does, over virtual links. */
export class VirtualNeighbourhood {
  readonly #hosts: readonly VirtualHost[]
  readonly #world: Surroundings

  constructor(hosts: readonly VirtualHost[], world: Surroundings) {
    this.#hosts = hosts
    this.#world = world
  }

  /** Dials the peers a home introduced and tells them what this host has. */
  readonly meet = ({ to: host, content }: Message<{ blob: number; peers: number[] }>): void => {
    const { blob, peers } = content
    const { life } = host
    for (const peer of peers) {
      const other = this.#hosts[peer]!
      this.#world.afterTrips(host.links.has(peer) ? 0 : DIAL_TRIPS, () => {
        if (!host.up || host.life !== life || !other.up) return
        if (this.#keeps(host, other, blob)) this.#introduce(host, other, blob)
      })
    }
  }

  #introduce(host: VirtualHost, other: VirtualHost, blob: number): void {
    const told = host.told.get(blob)!
    if (told.has(other.id)) return
    const have = host.have.get(blob)!
    told.set(other.id, new Bitfield(have.length))
    host.links.add(other.id)
    other.links.add(host.id)
    host.join(other.id, blob, 'peer', host.zone === other.zone ? 0 : OTHER_ZONE_DISTANCE)
    const content: Introduction = { blob, bits: have.copy(), queue: host.queueLength }
    this.#world.message(host, other.id, content, this.#hearBits)
  }

  /** A peer says what it has: answered in kind, unless it is to be no neighbour. */
  readonly #hearBits = ({ from, to: host, content }: Message<Introduction>): void => {
    const { blob, bits, queue } = content
    if (!this.#keeps(host, from, blob)) return
    this.#introduce(host, from, blob)
    host.told.get(blob)!.set(from.id, Bitfield.copyOf(bits))
    host.toLeecher({ type: 'sourceBits', source: from.id, blob, bits, queue })
  }

  /** Whether a peer is, or may become, a neighbour; of too many parts with the one that is farthest. */
  #keeps(host: VirtualHost, newcomer: VirtualHost, blob: number): boolean {
    const told = host.told.get(blob)!
    if (told.has(newcomer.id)) return true
    const excess = oneTooMany(host, [...[...told.keys()].map((id) => this.#hosts[id]!), newcomer])
    if (excess === undefined) return true
    host.part(blob, excess.id)
    this.#world.message(host, excess.id, blob, this.#hearParting)
    return excess !== newcomer
  }

  readonly #hearParting = ({ from, to: host, content: blob }: Message<number>): void => host.part(blob, from.id)
}
