import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { OriginChain } from '../origin/index.ts'
import { isBackground } from '../scheduler/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Active } from './active.ts'
import type { Holders } from './holders.ts'
import type { LeecherPort } from './leecher-port.ts'
import type { Neighbourhood } from './neighbourhood.ts'
import { lanesAt } from './origin-port.ts'
import type { Route, Router } from './router.ts'
import { NO_CACHE } from './router.ts'

/** Attempts in a row to find a way to the content, without a piece between them, before the transfer fails. */
const MAX_FAILURES = 5
const RETRY_MS = 400
const START_OVER_MS = 50

const CODES = { unknown: 'ORIGIN_UNKNOWN', denied: 'ORIGIN_DENIED' } as const

export interface WayFinderDeps {
  readonly clock: Clock
  readonly tier: Tier
  readonly router: Router
  readonly leecher: LeecherPort
  readonly neighbours: Neighbourhood
  readonly holders: Holders
  /** Bytes per second that this host may read from origins, 0 for as many as come. */
  readonly originLimit: () => number
  /** Whether the transfer still runs: the answer of a home may come after its end. */
  readonly running: (active: Active) => boolean
  readonly fail: (active: Active, error: ShoalError) => void
  readonly own: (task: Promise<void>) => void
}

/** Leads transfers to their content, and to another way when one is lost. */
export class WayFinder {
  readonly #deps: WayFinderDeps
  readonly #homeErrors = new WeakMap<Active, number>()

  constructor(deps: WayFinderDeps) {
    this.#deps = deps
  }

  /** Takes a way to the content: joins the home's swarm, or opens the origin's lanes. */
  apply(active: Active, route: Extract<Route, { kind: 'swarm' | 'origin' }>): void {
    const { leecher, neighbours, tier } = this.#deps
    const { transfer } = active
    if (route.kind === 'origin') {
      active.home = undefined
      active.chain = route.chain
      this.#deps.own(this.#openOrigin(active, route.chain))
      return
    }
    if (active.chain !== undefined) leecher.drive({ type: 'originOpen', blob: transfer.blob, lanes: 0 })
    active.chain = undefined
    active.home = route.link
    // a home says so only once it, or who it asks, has it
    transfer.confirm()
    leecher.join(transfer, route.link, route.as, 0)
    neighbours.hashes(active, route.link, route.joined.runs)
    if (active.shared) neighbours.meet(active, tier.introductions.believed(route.link, route.joined.peers))
  }

  /** What the region has already is not read again. */
  async #openOrigin(active: Active, chain: OriginChain): Promise<void> {
    const { leecher, holders, running, originLimit } = this.#deps
    if (holders.isWorthAsking(active)) await holders.join(active, chain)
    if (!running(active) || active.chain !== chain) return
    const lanes = lanesAt(originLimit())
    leecher.drive({ type: 'originOpen', blob: active.transfer.blob, lanes, takesRanges: chain.takesRanges })
  }

  /** Looks for a way again: the home is gone, starts over, or has more neighbours to introduce. */
  reroute(active: Active): void {
    if (active.rerouting !== undefined || !this.#deps.running(active)) return
    active.rerouting = this.#findWay(active).finally(() => {
      active.rerouting = undefined
    })
    this.#deps.own(active.rerouting)
  }

  /**
   * Nothing has come for long of what somebody has. A home that says "join" and does not deliver is passed over: for its
   * stand-in, and up to the origin itself.
   */
  stalled(active: Active): void {
    const { home, transfer } = active
    if (home !== undefined) {
      this.#deps.tier.passOver(home.peer.key)
      this.#deps.leecher.leave(transfer, home)
      home.send({ type: 'leave', blob: transfer.digest })
      active.home = undefined
      if (this.#failedOften(active, new ShoalError('UNAVAILABLE', 'nobody sends anything of the blob'))) return
    }
    this.reroute(active)
  }

  /**
   * The home sent bytes that do not match its own hashes. It may have started over just now, so it is joined anew; then another
   * is asked, and then the tier above or the origin.
   */
  homeErred(active: Active): void {
    const { home, transfer } = active
    if (home === undefined) return
    this.#deps.leecher.leave(transfer, home)
    const errors = (this.#homeErrors.get(active) ?? 0) + 1
    this.#homeErrors.set(active, errors)
    if (errors > 1) this.#deps.tier.suspect(home.peer.key)
    if (errors > 2) active.asHome = true
    this.gaveUp(active)
  }

  /** The home gave up. Another may do better, or the same one later: but not for ever. */
  gaveUp(active: Active): void {
    active.home = undefined
    if (!this.#failedOften(active, new ShoalError('UNAVAILABLE', 'the home cannot get the blob'))) this.reroute(active)
  }

  /** The origin failed again and again: asks the tier above once more, if there is one. */
  originFailed(active: Active, cause: ShoalError): void {
    const hasParents = this.#deps.tier.parents(active.transfer.digest).length > 0
    if (!hasParents) this.#deps.fail(active, cause)
    else if (!this.#failedOften(active, cause)) this.reroute(active)
  }

  #failedOften(active: Active, cause: ShoalError): boolean {
    active.failures++
    if (active.failures < MAX_FAILURES) return false
    this.#deps.fail(active, cause)
    return true
  }

  /** Never rejects. */
  async #findWay(active: Active): Promise<void> {
    const { running, router, clock, fail, tier } = this.#deps
    const { layout, ref, partial, signal } = active.transfer
    while (running(active)) {
      try {
        const { asHome, order } = active
        const attempt = active.transfer.failedProofs
        const request = {
          ref,
          size: layout.size,
          have: partial.have.toBytes(),
          asHome,
          background: isBackground(order),
        }
        const found = await router.route(request, signal)
        // the region's last cache may have gone while it was asked
        const route = found.kind === 'origin' && isBackground(active.order) && tier.acting ? NO_CACHE : found
        if (!running(active)) return
        if (active.startingOver || attempt !== active.transfer.failedProofs) {
          // found for content that has turned out wrong meanwhile
          await sleep(clock, START_OVER_MS, signal)
          continue
        }
        if (route.kind === 'origin' || (route.kind === 'swarm' && route.joined.size === layout.size)) {
          this.apply(active, route)
          return
        }
        // who was asked has asked the origin: it will not be found by asking again and again
        if (route.kind === 'refused' && route.reason !== 'unavailable') {
          return fail(active, new ShoalError(CODES[route.reason], route.message))
        }
        const why = route.kind === 'refused' ? route.message : 'the home announces another size'
        if (this.#failedOften(active, new ShoalError('UNAVAILABLE', why))) return
        await sleep(clock, RETRY_MS * active.failures, signal)
      } catch (error) {
        if (signal.aborted) return
        fail(active, isShoalError(error) ? error : new ShoalError('UNAVAILABLE', errorText(error), { cause: error }))
        return
      }
    }
  }
}
