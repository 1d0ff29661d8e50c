import type { PeerSetEffect, PeerSetEvent } from '../scheduler/index.ts'
import { answerOfWhole, PeerSet } from '../scheduler/index.ts'
import type { Surroundings, VirtualHost } from './virtual-host.ts'

/** Drives a host's peer set through one of its lives: carries what it decides over virtual links. */
export class VirtualPeerSet {
  readonly #host: VirtualHost
  readonly #world: Surroundings
  readonly #peers = new PeerSet()
  readonly #life: number

  constructor(host: VirtualHost, world: Surroundings) {
    this.#host = host
    this.#world = world
    this.#life = host.life
  }

  on(event: PeerSetEvent): void {
    const effects: PeerSetEffect[] = []
    this.#peers.on(event, effects)
    for (const effect of effects) this.#run(effect)
  }

  /** What a peer says; about a blob that is whole here the disk knows. */
  hear(event: PeerSetEvent): void {
    const have = event.type === 'bits' ? this.#host.have.get(event.blob) : undefined
    if (event.type !== 'bits' || have?.complete !== true) return this.on(event)
    const type = answerOfWhole(true, event.bits)
    if (type !== 'nothing') this.#run({ type, blob: event.blob, peer: event.peer })
  }

  #run(effect: PeerSetEffect): void {
    const { id: peer, queueLength: queue } = this.#host
    switch (effect.type) {
      case 'tellBits': {
        const bits = this.#host.have.get(effect.blob)!.copy()
        return this.#say(effect, { type: 'bits', blob: effect.blob, peer, place: this.#host, bits, queue })
      }
      case 'tellHave':
        return this.#say(effect, { type: 'have', blob: effect.blob, peer, pieces: effect.pieces, queue })
      case 'part':
        return this.#say(effect, { type: 'parted', blob: effect.blob, peer })
      case 'leave':
        return this.#say(effect, { type: 'left', blob: effect.blob, peer })
      case 'leecher':
        return this.#host.toLeecher(effect.event)
      case 'wake':
        return this.#world.clock.call(effect.ms, this.#wake, effect)
      default:
        effect satisfies never
    }
  }

  #say({ peer }: { readonly peer: number }, event: PeerSetEvent): void {
    this.#world.toPeers(this.#host, peer, event)
  }

  readonly #wake = ({ blob, turn }: Extract<PeerSetEffect, { type: 'wake' }>): void => {
    if (this.#host.up && this.#host.life === this.#life) this.on({ type: 'wake', blob, turn })
  }
}
