import type { Logger } from '../base/log.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import { runsOf } from '../scheduler/index.ts'
import type { HashRun, PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Active } from './active.ts'
import { HashIntake } from './hash-intake.ts'
import type { ProofKind, Signer } from './hash-run.ts'
import { unsigned } from './hash-run.ts'
import type { LeecherPort } from './leecher-port.ts'

interface HashExchangeDeps {
  readonly logger: Logger
  readonly swarm: Swarm
  readonly tier: Tier
  readonly leecher: LeecherPort
}

/** What hosts tell each other about the hashes of pieces: what is believed, and what this host vouches for. */
export class HashExchange {
  readonly #deps: HashExchangeDeps
  readonly #intake: HashIntake

  constructor(deps: HashExchangeDeps) {
    this.#deps = deps
    const { swarm, tier } = deps
    this.#intake = new HashIntake({
      isHomeward: ({ peer }) => tier.isHomeward(peer),
      judge: ({ transfer: { digest, layout } }, link, run) =>
        swarm.judge(digest, layout.size, run, this.#regions, link),
      accept: (active, link, run, vouched) => this.#accept(active, link, run, vouched),
    })
  }

  /** Vouches for piece hashes, if this host is a cache that may. */
  signer({ digest, size }: PieceLayout): Signer | undefined {
    const { vouch, self } = this.#deps.swarm
    if (vouch === undefined || self.role !== 'cache') return undefined
    return (first, hashes, before) => vouch(digest, size, first, hashes, before)
  }

  /** What this host can tell of a transfer's pieces, of all that are trusted or of some, to who takes these kinds of proofs. */
  runs(active: Active, pieces?: readonly number[], kinds?: readonly ProofKind[]): HashRun[] {
    const { pieceHashes, layout } = active.transfer
    const sign = this.signer(layout)
    if (pieces === undefined) return pieceHashes.runs(undefined, sign, kinds)
    // the proofs of content that started over are gone: vouching for nothing would convict honest peers
    const known = pieces.filter((piece) => pieceHashes.trusted(piece))
    return runsOf(known).flatMap(({ first, count }) => pieceHashes.some(first, first + count, sign, kinds))
  }

  /** A signature kept from long ago may not hold any more: who passed it on would break the protocol. */
  passable(layout: PieceLayout, run: HashRun): HashRun {
    const { digest, size } = layout
    if (run.signature === undefined || this.signer(layout) !== undefined) return run
    const holds = this.#regions.some((region) => this.#deps.swarm.vouched(digest, size, run, region))
    return holds ? run : unsigned(run)
  }

  /** A peer says what the pieces' hashes are; only what proves itself is believed (`HashIntake`). */
  take(active: Active, link: PeerLink, runs: readonly HashRun[]): void {
    this.#intake.take(active, link, runs)
  }

  /**
   * A host that has the whole says what its hashes are. In a fleet whose caches sign, what is not signed is nobody's word;
   * elsewhere it is enough to keep pieces by, until the whole is proven.
   */
  holderSays(active: Active, link: PeerLink, runs: readonly HashRun[]): void {
    const signed = runs.filter(({ signature }) => signature !== undefined)
    this.take(active, link, signed)
    if (this.#deps.swarm.vouch !== undefined) return
    for (const run of runs) if (run.signature === undefined) this.#accept(active, link, run, false)
  }

  /** A cache signs for its region; a host may have hashes from the caches of its own region and of those above. */
  get #regions(): readonly string[] {
    return [this.#deps.swarm.self.region, ...this.#deps.tier.parentRegions]
  }

  /** Takes a believed run in; what it proves wrong on disk is dropped. */
  #accept({ transfer, home }: Active, link: PeerLink, run: HashRun, vouched: boolean): void {
    const { leecher, logger } = this.#deps
    const { digest, blob, pieceHashes } = transfer
    const isOwnLink = link === home && link.peer.role === 'cache'
    // after a start-over others may still pass on what was signed of the content that was wrong
    if (vouched && !isOwnLink && transfer.failedProofs > 0) return
    const { first, count, overruled } = pieceHashes.addRun(run, !vouched ? 'word' : isOwnLink ? 'vouched' : 'passed')
    const doubtful = vouched ? transfer.keptBy.otherwise(first, count) : []
    if (overruled.length > 0 || doubtful.length > 0) {
      const dropped = transfer.keptBy.wrongOf(doubtful).then((wrong) => transfer.overruled([...overruled, ...wrong]))
      dropped.then(
        (wrong) => leecher.drive({ type: 'dropped', blob, pieces: wrong }),
        (error: unknown) => logger.error({ digest, err: error }, 'cannot drop overruled pieces'),
      )
    }
    leecher.drive({ type: 'hashesKnown', blob, first, count })
    transfer.changed()
  }
}
