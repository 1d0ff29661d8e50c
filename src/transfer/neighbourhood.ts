import type { Clock } from '../base/clock.ts'
import { errorText } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { Bitfield } from '../piece/bitfield.ts'
import { NEIGHBOURS_MOST, oneTooMany, placeHash } from '../scheduler/index.ts'
import type { HashRun, MessageOf, PeerAddress, PeerInfo, PeerLink, Swarm } from '../swarm/index.ts'
import type { Judgement } from '../trust/index.ts'
import type { Active } from './active.ts'
import { Batches, HASH_BATCH_MS, HASH_BATCH_PIECES, HAVE_BATCH_MS, HAVE_BATCH_PIECES, runsOf } from './batches.ts'
import type { Signer } from './hash-book.ts'
import { HashIntake } from './hash-intake.ts'
import type { HomeDesk } from './home-desk.ts'
import type { LeecherPort } from './leecher-port.ts'
import type { Misconduct } from './misconduct.ts'
import type { SeederPort } from './seeder-port.ts'

const MEET_TIMEOUT_MS = 4_000
/** How much farther a host in another zone is, in pieces waiting in its queue. */
const OTHER_ZONE_DISTANCE = 3

export interface NeighbourhoodDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly swarm: Swarm
  readonly leecher: LeecherPort
  readonly seeder: SeederPort
  readonly desk: HomeDesk
  /** Whether a peer is a cache of this region or of one above. */
  readonly isHomeward: (peer: PeerInfo) => boolean
  readonly signer: (active: Active) => Signer | undefined
  /** The regions above this one: their caches vouch for pieces, too. */
  readonly regionsAbove: readonly string[]
  readonly misconduct: Misconduct
  /** The home of a transfer sent wrong bytes. */
  readonly homeErred: (active: Active) => void
}

/** What neighbours tell each other about the blobs they share: who has which pieces, and what their hashes are. */
export class Neighbourhood {
  readonly #deps: NeighbourhoodDeps
  readonly #haves: Batches<Active>
  readonly #hashes: Batches<Active>
  readonly #intake: HashIntake

  constructor(deps: NeighbourhoodDeps) {
    this.#deps = deps
    this.#haves = new Batches(deps.clock, HAVE_BATCH_MS, HAVE_BATCH_PIECES, (active, pieces) => {
      const { digest } = active.transfer
      const queue = deps.seeder.queueLength
      for (const [link, has] of active.told) {
        const news = pieces.filter((piece) => !has.has(piece))
        if (news.length > 0) link.send({ type: 'have', blob: digest, pieces: news, queue })
      }
    })
    this.#hashes = new Batches(deps.clock, HASH_BATCH_MS, HASH_BATCH_PIECES, (active, pieces) => {
      const { book, digest, layout } = active.transfer
      const sign = deps.signer(active)
      // the hashes of content that started over are gone: vouching for nothing would convict honest peers
      const known = pieces.filter((piece) => book.trusted(piece))
      const runs = runsOf(known).map(({ first, count }) => book.run(first, count, sign))
      deps.desk.tell(digest, layout.size, runs)
    })
    this.#intake = new HashIntake({
      isHomeward: ({ peer }) => deps.isHomeward(peer),
      judge: (active, link, run) => this.#judge(active, link, run),
      accept: (active, link, run, vouched) => this.#accept(active, link, run, vouched),
    })
  }

  /** Dials the peers a home introduced and tells them what this host has. */
  meet(active: Active, peers: readonly PeerAddress[]): void {
    const { swarm, logger } = this.#deps
    for (const peer of peers) {
      if (peer.key === swarm.self.key) continue
      const signal = AbortSignal.any([active.transfer.signal, AbortSignal.timeout(MEET_TIMEOUT_MS)])
      swarm.connect(peer, signal).then(
        (link) => this.#keeps(active, link) && this.#introduce(active, link),
        (error: unknown) => logger.debug({ peer: peer.key, err: errorText(error) }, 'a neighbour is not reachable'),
      )
    }
  }

  /** A piece is kept: neighbours hear of it, and if this host is home, its members get the hash. */
  stored(active: Active, piece: number): void {
    if (!active.shared) return
    if (active.told.size > 0) this.#haves.add(active, piece)
    if (this.#deps.desk.members(active.transfer.digest).length > 0) this.#hashes.add(active, piece)
  }

  /** Sends what still waits to be told. */
  flush(active: Active): void {
    this.#haves.flush(active)
    this.#hashes.flush(active)
  }

  forget(active: Active): void {
    this.#haves.drop(active)
    this.#hashes.drop(active)
    active.told.clear()
  }

  /** Tells every neighbour that this host is out of the blob's swarm. */
  leave(active: Active): void {
    for (const link of active.told.keys()) link.send({ type: 'leave', blob: active.transfer.digest })
    this.forget(active)
  }

  /** A peer says what it has. Answers in kind, unless it has been told already. */
  bitfield(active: Active | undefined, link: PeerLink, message: MessageOf<'bitfield'>): void {
    if (active === undefined) {
      this.#answerComplete(link, message)
      return
    }
    if (link === active.home) return
    const { layout, digest } = active.transfer
    const bits = message.size === layout.size ? Bitfield.fromBytes(layout.count, message.bits) : undefined
    if (bits === undefined || !active.shared) {
      // what comes for one client only, or in another size, is as good as not here: silence would keep the peer waiting
      link.send({ type: 'leave', blob: digest })
      return
    }
    if (active.shunned.has(link) || !this.#keeps(active, link)) return
    this.#introduce(active, link)
    active.told.set(link, bits)
    const source = this.#join(active, link)
    this.#deps.leecher.drive({ type: 'sourceBits', source, blob: active.transfer.blob, bits, queue: message.queue })
  }

  /** A peer has nearer neighbours than this host. */
  parted(active: Active, link: PeerLink): void {
    if (active.told.delete(link)) this.#deps.leecher.leave(active.transfer, link)
  }

  have(active: Active | undefined, link: PeerLink, message: MessageOf<'have'>): void {
    if (active === undefined || this.#deps.leecher.kindOf(active.transfer, link) !== 'peer') return
    const pieces = message.pieces.filter((piece) => piece < active.transfer.layout.count)
    for (const piece of pieces) active.told.get(link)?.set(piece)
    const source = this.#deps.leecher.sourceOf(link)
    this.#deps.leecher.drive({ type: 'sourceHas', source, blob: active.transfer.blob, pieces, queue: message.queue })
  }

  /** A peer says what the pieces' hashes are; only what proves itself is believed (`HashIntake`). */
  hashes(active: Active, link: PeerLink, runs: readonly HashRun[]): void {
    this.#intake.take(active, link, runs)
  }

  /** A peer sent bytes that do not match a vouched hash: it is not asked for this blob again. */
  caught(active: Active | undefined, piece: number, link: PeerLink): void {
    const { logger, misconduct, homeErred } = this.#deps
    if (active === undefined) return
    const { digest } = active.transfer
    logger.warn({ peer: link.peer.key, digest, piece }, 'a peer sent wrong bytes: it is not asked for this blob again')
    misconduct.caught(active.transfer, link)
    if (link === active.home) return homeErred(active)
    active.shunned.add(link)
    this.parted(active, link)
    link.send({ type: 'part', blob: digest })
  }

  /** Whether a peer is, or may become, a neighbour; of too many parts with the one that is farthest. */
  #keeps(active: Active, newcomer: PeerLink): boolean {
    if (active.told.has(newcomer) || active.told.size < NEIGHBOURS_MOST) return true
    const place = ({ key, zone }: { key: string; zone: string | null }) => ({ zone, hash: placeHash(key) })
    const links = [...active.told.keys(), newcomer].map((link) => ({ link, ...place(link.peer) }))
    const excess = oneTooMany(place(this.#deps.swarm.self), links)?.link
    if (excess === undefined) return true
    this.parted(active, excess)
    excess.send({ type: 'part', blob: active.transfer.digest })
    return excess !== newcomer
  }

  /** A cache signs for its region; a host may have hashes from the caches of its own region and of those above. */
  #judge({ transfer }: Active, link: PeerLink, run: HashRun): Judgement {
    const { swarm, regionsAbove } = this.#deps
    return swarm.judge(transfer.digest, transfer.layout.size, run, [swarm.self.region, ...regionsAbove], link)
  }

  /**
   * A host that has the whole says what its hashes are. In a fleet whose caches sign, what is not signed is nobody's word;
   * elsewhere it is enough to keep pieces by, until the whole is proven.
   */
  holderSays(active: Active, link: PeerLink, runs: readonly HashRun[]): void {
    const signed = runs.filter(({ signature }) => signature !== undefined)
    this.hashes(active, link, signed)
    if (this.#deps.swarm.vouch !== undefined) return
    for (const run of runs) if (run.signature === undefined) this.#accept(active, link, run, false)
  }

  /** Takes a believed run in; what it proves wrong on disk is dropped. */
  #accept({ transfer, home }: Active, link: PeerLink, run: HashRun, vouched: boolean): void {
    const { leecher, logger } = this.#deps
    const { digest, blob, book } = transfer
    const isOwnLink = link === home && link.peer.role === 'cache'
    // after a start-over others may still pass on what was signed of the content that was wrong
    if (vouched && !isOwnLink && transfer.failedProofs > 0) return
    const { first, count, overruled } = book.addRun(run, !vouched ? 'word' : isOwnLink ? 'vouched' : 'passed')
    if (overruled.length > 0) {
      transfer.overruled(overruled).then(
        (wrong) => leecher.drive({ type: 'dropped', blob, pieces: wrong }),
        (error: unknown) => logger.error({ digest, err: errorText(error) }, 'cannot drop overruled pieces'),
      )
    }
    leecher.drive({ type: 'hashesKnown', blob, first, count })
    transfer.changed()
  }

  #introduce(active: Active, link: PeerLink): void {
    const { transfer } = active
    if (transfer.signal.aborted || active.told.has(link) || link === active.home || active.shunned.has(link)) return
    active.told.set(link, new Bitfield(transfer.layout.count))
    this.#join(active, link)
    const { digest, layout, partial, book } = transfer
    const runs = book.runs(undefined, undefined)
    if (runs.some((run) => run.signature !== undefined))
      link.send({ type: 'hashes', blob: digest, size: layout.size, runs })
    const queue = this.#deps.seeder.queueLength
    link.send({ type: 'bitfield', blob: digest, size: layout.size, bits: partial.have.toBytes(), queue })
  }

  #join(active: Active, link: PeerLink): number {
    const { leecher, swarm } = this.#deps
    if (leecher.kindOf(active.transfer, link) === undefined) {
      const near = link.peer.zone === swarm.self.zone
      leecher.join(active.transfer, link, 'peer', near ? 0 : OTHER_ZONE_DISTANCE)
    }
    return leecher.sourceOf(link)
  }

  #answerComplete(link: PeerLink, { blob, size, bits }: MessageOf<'bitfield'>): void {
    this.#deps.seeder.have(blob).then(
      (have) => {
        if (have === undefined) link.send({ type: 'leave', blob })
        else if (isMissingSome(bits, have.length)) {
          link.send({ type: 'bitfield', blob, size, bits: have.toBytes(), queue: this.#deps.seeder.queueLength })
        }
      },
      (error: unknown) =>
        this.#deps.logger.warn({ digest: blob, err: errorText(error) }, 'cannot open a blob for a peer'),
    )
  }
}

/** Two complete peers have nothing to tell each other: without this they would answer one another for ever. */
function isMissingSome(bits: Uint8Array, count: number): boolean {
  const field = Bitfield.fromBytes(count, bits)
  return field !== undefined && !field.complete
}
