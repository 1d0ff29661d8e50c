import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { packedProofs } from '../piece/piece-proof.ts'
import type { Tier } from '../tier/index.ts'
import type { Active } from './active.ts'
import type { Actives } from './actives.ts'
import type { Endings } from './endings.ts'
import type { RunEffect } from './engine-effect.ts'
import type { HashArchive } from './hash-archive.ts'
import type { HashExchange } from './hash-exchange.ts'
import type { TransferMetrics } from './metrics.ts'
import type { Misconduct } from './misconduct.ts'
import type { PeerSetPort } from './peer-set-port.ts'
import type { PieceBuffers } from './piece-buffers.ts'
import type { SeederPort } from './seeder-port.ts'
import type { StartOver } from './start-over.ts'
import type { TrackerPort } from './tracker-port.ts'

interface ProvingDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly tier: Pick<Tier, 'delivered'>
  readonly buffers: PieceBuffers
  readonly metrics: TransferMetrics
  readonly actives: Actives
  readonly seeder: SeederPort
  readonly peers: PeerSetPort
  readonly tracker: TrackerPort
  readonly hashes: HashExchange
  readonly archive: HashArchive
  readonly misconduct: Misconduct
  readonly startOver: StartOver
  readonly endings: Endings
  readonly run: RunEffect
}

/** Proves wholes by their digests as pieces come, and acts on what comes out. */
export class Proving {
  readonly #deps: ProvingDeps

  constructor(deps: ProvingDeps) {
    this.#deps = deps
  }

  /** Carries the proof on as far as pieces are here. Never rejects. */
  async advance(active: Active): Promise<void> {
    const { buffers, startOver, run } = this.#deps
    const { transfer } = active
    if (!transfer.provable) return
    const scratch = buffers.take(transfer.layout.pieceSize, transfer.layout.pieceSize)
    try {
      const outcome = await transfer.prove(scratch)
      if (outcome === 'proven') await this.#finish(active)
      else if (outcome === 'corrupt') await startOver.failed(active)
    } catch (error) {
      run({ type: 'broken', transfer, error })
    } finally {
      buffers.give(scratch)
    }
  }

  async #finish(active: Active): Promise<void> {
    const { actives, misconduct, tracker, peers, hashes, archive, seeder } = this.#deps
    const { transfer } = active
    if (!actives.runs(active) || transfer.window !== undefined) return
    const { digest, layout, partial, pieceHashes, blob } = transfer
    const { states } = transfer.whole
    const chain = states === undefined ? undefined : packedProofs(layout, states)
    const hadWords = pieceHashes.proven((piece) => partial.hash(piece), chain)
    misconduct.proven(transfer)
    await partial.commit(states)
    if (hadWords) tracker.drive({ type: 'proven', blob })
    if (active.shared) await archive.save(layout, hashes.runs(active))
    peers.flush(active)
    tracker.drive({ type: 'flush', blob })
    if (active.shared) await seeder.completed(digest)
    this.#tell(active)
    this.#deps.endings.complete(active)
  }

  #tell({ transfer, home }: Active): void {
    const { metrics, clock, tier, logger } = this.#deps
    const { digest, layout, received, startedAt } = transfer
    metrics.finished(transfer, clock.now() - startedAt)
    if (home !== undefined) tier.delivered(home.peer.key)
    logger.info({ digest, bytes: layout.size, received }, 'blob complete')
  }
}
