import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Active } from './active.ts'
import type { HomeDesk } from './home-desk.ts'
import type { LeecherPort } from './leecher-port.ts'
import type { TransferMetrics } from './metrics.ts'
import type { Neighbourhood } from './neighbourhood.ts'
import type { Transfer } from './transfer.ts'
import type { WayFinder } from './way-finder.ts'

/** Whole contents that failed their digest before the blob is given up. */
const MAX_FAILED_PROOFS = 3
/** From this failed proof on, the blob is read from the origin itself, whatever the homes say. */
const DISTRUST_HOMES_AFTER = 2
/** A home that has its members start over again and again is as bad as wrong content. */
const MAX_ATTEMPTS = 8

/** A home whose wrong bytes failed here is about to find out: asked at once, it would give the same again. */
const HOME_FINDS_OUT_MS = 500

export interface StartOverDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: TransferMetrics
  readonly leecher: LeecherPort
  readonly neighbours: Neighbourhood
  readonly desk: HomeDesk
  readonly ways: WayFinder
  /** The labels of the origins that gave a transfer bytes. */
  readonly usedBy: (transfer: Transfer) => ReadonlySet<string>
  readonly running: (active: Active) => boolean
  readonly fail: (active: Active, error: ShoalError) => void
  /** The blob is fetched, and served, from its beginning. */
  readonly begin: (active: Active) => void
}

/**
 * What follows when a whole fails its digest, here or at its home: pieces and hashes go, everybody who had them from here is
 * told, and the blob is fetched anew. What was vouched for the content that failed is believed no more (`Neighbourhood`).
 */
export class StartOver {
  readonly #deps: StartOverDeps

  constructor(deps: StartOverDeps) {
    this.#deps = deps
  }

  /** The whole failed its digest. */
  failed(active: Active): Promise<void> {
    const { metrics, logger, usedBy } = this.#deps
    const { digest, failedProofs } = active.transfer
    if (active.startingOver || !this.#deps.running(active)) return Promise.resolve()
    metrics.rejected('failed_digest')
    for (const label of usedBy(active.transfer)) active.chain?.distrust(label, digest)
    logger.error({ digest, attempt: failedProofs + 1 }, 'content failed its digest and is dropped')
    return this.#startOver(active, true)
  }

  /** The home found its content wrong: what came by its hashes goes. Proven content needs no home. */
  async homeFailed(active: Active): Promise<void> {
    if (active.transfer.proven || active.startingOver || !this.#deps.running(active)) return
    this.#deps.logger.info({ digest: active.transfer.digest }, 'the home starts over: so does this host')
    await this.#startOver(active, false)
  }

  async #startOver(active: Active, isOwnProof: boolean): Promise<void> {
    const { clock, leecher, neighbours, desk, ways, running, fail, begin } = this.#deps
    const { transfer } = active
    const { digest } = transfer
    if (transfer.memory !== undefined) {
      // what its reader has passed is gone: nothing can be confirmed any more
      return fail(active, new ShoalError('CONTENT_CORRUPT', `what came of ${digest} failed its digest`))
    }
    const hadHome = active.home !== undefined
    active.startingOver = true
    leecher.removeBlob(transfer)
    // before the hashes go: nothing more may be said about them
    neighbours.leave(active)
    desk.dissolve(digest)
    active.home = undefined
    active.chain = undefined
    active.shunned.clear()
    let isHopeless = false
    try {
      await transfer.startOver(isOwnProof)
      isHopeless = transfer.ownFailures >= MAX_FAILED_PROOFS || transfer.failedProofs >= MAX_ATTEMPTS
      if (isHopeless) await transfer.partial.discard()
    } finally {
      active.startingOver = false
    }
    if (!running(active)) return
    if (isHopeless)
      return fail(active, new ShoalError('CONTENT_CORRUPT', `no source has the right bytes for ${digest}`))
    if (transfer.ownFailures >= DISTRUST_HOMES_AFTER) active.asHome = true
    if (isOwnProof && hadHome) {
      await sleep(clock, HOME_FINDS_OUT_MS * transfer.ownFailures, transfer.signal).catch(() => {})
      if (!running(active)) return
    }
    begin(active)
    ways.reroute(active)
  }
}
