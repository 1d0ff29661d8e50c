import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Active } from './active.ts'
import type { Actives } from './actives.ts'
import type { RunEffect } from './engine-effect.ts'
import type { Failover } from './failover.ts'
import type { LeecherPort } from './leecher-port.ts'
import type { TransferMetrics } from './metrics.ts'
import type { OriginPort } from './origin-port.ts'
import type { PeerSetPort } from './peer-set-port.ts'
import type { TrackerPort } from './tracker-port.ts'

/** Whole contents that failed their digest before the blob is given up. */
const MAX_FAILED_PROOFS = 3
/**
 * From this failed proof on, the blob is read from the origin itself, whatever the homes say: also where it was the home
 * that found its content wrong. It reads from the same place again, and an origin that lies once too often to it need not
 * lie to everybody.
 */
const DISTRUST_HOMES_AFTER = 2
/** A home that has its members start over again and again is as bad as wrong content. */
const MAX_ATTEMPTS = 8

/** A home whose wrong bytes failed here is about to find out: asked at once, it would give the same again. */
const HOME_FINDS_OUT_MS = 500

interface StartOverDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: TransferMetrics
  readonly leecher: LeecherPort
  readonly actives: Actives
  readonly origin: OriginPort
  readonly peers: PeerSetPort
  readonly tracker: TrackerPort
  readonly ways: Failover
  readonly run: RunEffect
}

/**
 * What follows when a whole fails its digest, here or at its home: pieces and hashes go, everybody who had them from here is
 * told, and the blob is fetched anew. What was vouched for the content that failed is believed no more (`HashExchange`).
 */
export class StartOver {
  readonly #deps: StartOverDeps

  constructor(deps: StartOverDeps) {
    this.#deps = deps
  }

  /** The whole failed its digest. */
  failed(active: Active): Promise<void> {
    const { metrics, logger, origin, actives } = this.#deps
    const { digest, failedProofs } = active.transfer
    if (active.isStartingOver || !actives.runs(active)) return Promise.resolve()
    metrics.rejected('failed_digest')
    for (const label of origin.usedBy(active.transfer)) active.chain?.distrust(label, digest)
    logger.error({ digest, attempt: failedProofs + 1 }, 'content failed its digest and is dropped')
    return this.#startOver(active, true)
  }

  /** The home found its content wrong: what came by its hashes goes. Proven content needs no home. */
  async homeFailed(active: Active): Promise<void> {
    if (active.transfer.proven || active.isStartingOver || !this.#deps.actives.runs(active)) return
    this.#deps.logger.info({ digest: active.transfer.digest }, 'the home starts over: so does this host')
    await this.#startOver(active, false)
  }

  async #startOver(active: Active, isOwnProof: boolean): Promise<void> {
    const { clock, ways, actives } = this.#deps
    const { transfer } = active
    const { digest } = transfer
    if (transfer.window !== undefined) {
      // what its readers have passed is gone: nothing can be confirmed any more
      return this.#fail(active, `what came of ${digest} failed its digest`)
    }
    const hadHome = active.home !== undefined
    const isHopeless = await this.#dropContent(active, isOwnProof)
    if (!actives.runs(active)) return
    if (isHopeless) return this.#fail(active, `no source has the right bytes for ${digest}`)
    const isDoubtful = isOwnProof && ways.isDoubtful(active)
    if (isDoubtful || transfer.failedProofs >= DISTRUST_HOMES_AFTER) active.passHomes()
    if (isOwnProof && hadHome) {
      await sleep(clock, HOME_FINDS_OUT_MS * transfer.ownFailures, transfer.signal).catch(() => {})
      if (!actives.runs(active)) return
    }
    this.#deps.run({ type: 'restart', active })
    ways.reroute(active)
  }

  /** Returns whether there is no hope left for it: then nothing of it stays. */
  async #dropContent(active: Active, isOwnProof: boolean): Promise<boolean> {
    const { leecher, peers, tracker } = this.#deps
    const { transfer, chain } = active
    using _starting = active.startOver()
    leecher.removeBlob(transfer)
    // before the hashes go: nothing more may be said about them
    peers.remove(active, true)
    tracker.end(transfer.digest, 'dissolved')
    active.lostSources()
    await transfer.startOver(isOwnProof)
    const { ownFailures, failedProofs } = transfer
    // found wrong by homes and at the origin itself, it is wrong for the region: each of its hosts would read it again and again
    const most = isOwnProof && chain?.doubts(transfer.digest) === true ? MAX_FAILED_PROOFS : MAX_ATTEMPTS
    const isHopeless = ownFailures >= MAX_FAILED_PROOFS || failedProofs >= most
    if (isHopeless) await transfer.partial.discard()
    return isHopeless
  }

  #fail(active: Active, message: string): void {
    this.#deps.run({ type: 'fail', active, error: new ShoalError('CONTENT_CORRUPT', message) })
  }
}
