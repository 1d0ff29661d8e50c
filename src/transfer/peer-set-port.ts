import { parseAddress } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { PeerSetEffect, PeerSetEvent, Place } from '../scheduler/index.ts'
import { answerOfWhole, PeerSet, placeHash } from '../scheduler/index.ts'
import type { PeerAddress, PeerLink, Swarm } from '../swarm/index.ts'
import type { Active } from './active.ts'
import type { Actives } from './actives.ts'
import { groupOf } from './group-of.ts'
import type { LinkNumbers } from './id-map.ts'
import type { LeecherPort } from './leecher-port.ts'
import type { TransferMessage } from './messages.ts'
import { tellHashes, transferMessages } from './messages.ts'
import type { SeederPort } from './seeder-port.ts'

const MEET_TIMEOUT_MS = 4_000

interface PeerSetPortDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly swarm: Swarm
  readonly links: LinkNumbers
  readonly actives: Pick<Actives, 'at'>
  readonly leecher: LeecherPort
  readonly seeder: SeederPort
}

/** Drives the peer set with real links: who is a neighbour in which blob's swarm, and what neighbours tell each other. */
export class PeerSetPort {
  readonly #deps: PeerSetPortDeps
  readonly #peers = new PeerSet()

  constructor(deps: PeerSetPortDeps) {
    this.#deps = deps
  }

  size({ transfer }: Active): number {
    return this.#peers.size(transfer.blob)
  }

  /** Others may take part in a transfer from now on. */
  add({ transfer: { blob, partial } }: Active): void {
    const { key, zone, addresses } = this.#deps.swarm.self
    const self = { zone, hash: placeHash(key), group: groupOf(parseAddress(addresses[0] ?? '')?.host) }
    this.#drive({ type: 'blobAdded', blob, have: partial.have, self })
  }

  /** Dials the peers a home introduced: those that are reached may become neighbours. */
  meet(active: Active, peers: readonly PeerAddress[]): void {
    const { swarm, logger } = this.#deps
    for (const peer of peers) {
      if (peer.key === swarm.self.key) continue
      const signal = AbortSignal.any([active.transfer.signal, AbortSignal.timeout(MEET_TIMEOUT_MS)])
      swarm.connect(peer, signal).then(
        (link) => this.#met(active, link),
        (error: unknown) => logger.debug({ peer: peer.key, err: error }, 'a neighbour is not reachable'),
      )
    }
  }

  /** A piece is kept: neighbours hear of it. */
  stored({ transfer: { blob } }: Active, piece: number): void {
    this.#drive({ type: 'stored', blob, piece })
  }

  /** Sends what still waits to be told. */
  flush({ transfer: { blob } }: Active): void {
    this.#drive({ type: 'flush', blob })
  }

  /** A transfer is over. `leaves`: there is nothing to be had here, so neighbours are told to look elsewhere. */
  remove({ transfer: { blob } }: Active, leaves: boolean): void {
    this.#drive({ type: 'blobRemoved', blob, leaves })
  }

  /** A peer says what it has. */
  bitfield(active: Active | undefined, link: PeerLink, message: TransferMessage<'bitfield'>): void {
    if (active === undefined) return this.#answerOfWhole(link, message)
    if (link === active.home) return
    const { layout, digest, blob } = active.transfer
    const bits = message.size === layout.size ? Bitfield.fromBytes(layout.count, message.bits) : undefined
    if (bits === undefined || !active.shared) {
      // what comes for one client only, or in another size, is as good as not here: silence would keep the peer waiting
      link.send(transferMessages.leave, { blob: digest })
      return
    }
    const { queue } = message
    this.#drive({ type: 'bits', blob, peer: this.#number(link), place: placeOf(link), bits, queue })
  }

  have(active: Active | undefined, link: PeerLink, { pieces, queue }: TransferMessage<'have'>): void {
    if (active === undefined) return
    this.#drive({ type: 'have', blob: active.transfer.blob, peer: this.#number(link), pieces, queue })
  }

  /** A peer is no neighbour any more: it has nearer ones, serves the blob no longer, or has sent wrong bytes. */
  lost({ transfer: { blob } }: Active, link: PeerLink, type: 'parted' | 'left' | 'lied'): void {
    this.#drive({ type, blob, peer: this.#number(link) })
  }

  unlinked(link: PeerLink): void {
    const peer = this.#deps.links.find(link)
    if (peer !== undefined) this.#drive({ type: 'gone', peer })
  }

  #met(active: Active, link: PeerLink): void {
    if (link === active.home || active.transfer.signal.aborted) return
    this.#drive({ type: 'met', blob: active.transfer.blob, peer: this.#number(link), place: placeOf(link) })
  }

  #number(link: PeerLink): number {
    return this.#deps.links.number(link)
  }

  #drive(event: PeerSetEvent): void {
    const effects: PeerSetEffect[] = []
    this.#peers.on(event, effects)
    for (const effect of effects) this.#run(effect)
  }

  #run(effect: PeerSetEffect): void {
    const { clock, leecher } = this.#deps
    switch (effect.type) {
      case 'tellBits':
        return this.#tellBits(effect)
      case 'tellHave':
      case 'part':
      case 'leave':
        return this.#tell(effect)
      case 'leecher': {
        const { event } = effect
        // a member that has pieces, or an earlier home, stays what it is
        if (event.type !== 'sourceJoined' || leecher.kindOf(event.blob, event.source) === undefined)
          leecher.drive(event)
        return
      }
      case 'wake':
        clock.after(effect.ms, () => this.#drive(effect))
        return
      default:
        effect satisfies never
    }
  }

  #tell(effect: Extract<PeerSetEffect, { type: 'tellHave' | 'part' | 'leave' }>): void {
    const { actives, links, seeder } = this.#deps
    const blob = actives.at(effect.blob)?.transfer.digest
    const link = links.key(effect.peer)
    if (blob === undefined || link === undefined) return
    if (effect.type !== 'tellHave') link.send(transferMessages[effect.type], { blob })
    else link.send(transferMessages.have, { blob, pieces: effect.pieces, queue: seeder.queueLength })
  }

  #tellBits(effect: Extract<PeerSetEffect, { type: 'tellBits' }>): void {
    const { actives, links, seeder } = this.#deps
    const active = actives.at(effect.blob)
    const link = links.key(effect.peer)
    if (active === undefined || link === undefined) return
    const { digest, layout, partial, pieceHashes } = active.transfer
    const runs = pieceHashes.runs(undefined, undefined)
    if (runs.some((run) => run.signature !== undefined)) tellHashes(link, digest, layout.size, runs)
    const queue = seeder.queueLength
    link.send(transferMessages.bitfield, { blob: digest, size: layout.size, bits: partial.have.toBytes(), queue })
  }

  /** Of a blob that is not on its way: it may be here already. */
  #answerOfWhole(link: PeerLink, { blob, size, bits }: TransferMessage<'bitfield'>): void {
    const { seeder, logger } = this.#deps
    seeder.have(blob).then(
      (have) => {
        const theirs = have === undefined ? undefined : Bitfield.fromBytes(have.length, bits)
        const answer = answerOfWhole(have !== undefined, theirs)
        if (answer === 'leave') link.send(transferMessages.leave, { blob })
        if (have === undefined || answer !== 'tellBits') return
        const queue = seeder.queueLength
        link.send(transferMessages.bitfield, { blob, size, bits: have.toBytes(), queue })
      },
      (error: unknown) => logger.warn({ digest: blob, err: error }, 'cannot open a blob for a peer'),
    )
  }
}

function placeOf({ peer, remote }: PeerLink): Place {
  return { zone: peer.zone, hash: placeHash(peer.key), group: groupOf(remote) }
}
