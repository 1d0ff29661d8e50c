import type { Clock } from '../base/clock.ts'
import type { Digest } from '../oci/digest.ts'
import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { TrackerEffect, TrackerEvent } from '../scheduler/index.ts'
import { Tracker } from '../scheduler/index.ts'
import type { PeerAddress, PeerLink } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Actives } from './actives.ts'
import { groupOf } from './group-of.ts'
import type { HashExchange } from './hash-exchange.ts'
import { kindsFor } from './hash-run.ts'
import type { BlobNumbers, LinkNumbers } from './id-map.ts'
import type { LeecherPort } from './leecher-port.ts'
import { tellHashes, transferMessages } from './messages.ts'

interface TrackerPortDeps {
  readonly clock: Clock
  readonly introductions: Pick<Tier['introductions'], 'of'>
  readonly blobs: BlobNumbers
  readonly links: LinkNumbers
  readonly actives: Pick<Actives, 'at'>
  readonly hashes: Pick<HashExchange, 'runs'>
  readonly leecher: Pick<LeecherPort, 'drive'>
}

/** Whom a host that takes part should meet, and how many take part. */
interface Introduced {
  readonly peers: PeerAddress[]
  readonly members: number
}

/** Drives the tracker of the swarms that this host is home of. */
export class TrackerPort {
  readonly #deps: TrackerPortDeps
  readonly #tracker = new Tracker()

  constructor(deps: TrackerPortDeps) {
    this.#deps = deps
  }

  /** Lists a member; `has`: what it has that this host may ask it for. */
  join(digest: Digest, link: PeerLink, has?: ReadonlyBitfield): Introduced {
    const { blobs, links } = this.#deps
    const { key, zone } = link.peer
    const member = { id: key, zone, group: groupOf(link.remote) }
    const event = { type: 'joined', blob: blobs.number(digest), peer: links.number(link), member, has } as const
    let introduced: Introduced = { peers: [], members: 0 }
    for (const effect of this.#on(event)) {
      if (effect.type === 'introduce') introduced = this.#introduced(effect)
      else this.#run(effect)
    }
    return introduced
  }

  leave(digest: Digest, link: PeerLink): void {
    const peer = this.#deps.links.find(link)
    const blob = this.#deps.blobs.find(digest)
    if (peer !== undefined && blob !== undefined) this.drive({ type: 'left', blob, peer })
  }

  unlinked(link: PeerLink): void {
    const peer = this.#deps.links.find(link)
    if (peer !== undefined) this.drive({ type: 'gone', peer })
  }

  /** The swarm of a blob ends: this home cannot get the rest (`gaveUp`), or its content is wrong (`dissolved`). */
  end(digest: Digest, type: 'gaveUp' | 'dissolved'): void {
    const blob = this.#deps.blobs.find(digest)
    if (blob !== undefined) this.drive({ type, blob })
  }

  /** Feeds one event and carries out what follows from it. */
  drive(event: TrackerEvent): void {
    for (const effect of this.#on(event)) this.#run(effect)
  }

  #on(event: TrackerEvent): TrackerEffect[] {
    const effects: TrackerEffect[] = []
    this.#tracker.on(event, this.#deps.clock.now(), effects)
    return effects
  }

  #run(effect: TrackerEffect): void {
    switch (effect.type) {
      case 'introduce':
        // is the answer to `join`
        return
      case 'tellHashes':
        return this.#tellHashes(effect)
      case 'tellGaveUp':
        return this.#tell(effect, 'giveUp')
      case 'tellLeft':
        return this.#tell(effect, 'leave')
      case 'leecher':
        return this.#deps.leecher.drive(effect.event)
      case 'wake':
        this.#deps.clock.after(effect.ms, () => this.drive(effect))
        return
      default:
        effect satisfies never
    }
  }

  #introduced({ peers, members }: Extract<TrackerEffect, { type: 'introduce' }>): Introduced {
    const { links, introductions } = this.#deps
    const addresses = peers.map((peer) => {
      const link = links.key(peer)
      return link === undefined ? undefined : introductions.of(link)
    })
    return { peers: addresses.filter((address) => address !== undefined), members }
  }

  #tellHashes({ blob, pieces, to }: Extract<TrackerEffect, { type: 'tellHashes' }>): void {
    const { actives, hashes, links } = this.#deps
    const active = actives.at(blob)
    if (active === undefined) return
    const { digest, layout } = active.transfer
    const told = to.map((peer) => links.key(peer)).filter((link) => link !== undefined)
    // signed once for all who take the same
    for (const [, alike] of Map.groupBy(told, (link) => kindsFor(link).join())) {
      const runs = hashes.runs(active, pieces, kindsFor(alike[0]!))
      if (runs.length > 0) for (const link of alike) tellHashes(link, digest, layout.size, runs)
    }
  }

  #tell({ blob, peer }: { readonly blob: number; readonly peer: number }, type: 'giveUp' | 'leave'): void {
    const digest = this.#deps.blobs.key(blob)
    if (digest !== undefined) this.#deps.links.key(peer)?.send(transferMessages[type], { blob: digest })
  }
}
