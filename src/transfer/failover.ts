import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import { errorOf } from '../base/outcome.ts'
import type { TaskGroup } from '../base/task-group.ts'
import type { OriginChain } from '../origin/index.ts'
import { isBackground } from '../scheduler/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Active } from './active.ts'
import type { Actives } from './actives.ts'
import type { RunEffect } from './engine-effect.ts'
import type { HashExchange } from './hash-exchange.ts'
import type { Holders } from './holders.ts'
import type { LeecherPort } from './leecher-port.ts'
import { transferMessages } from './messages.ts'
import type { OriginLimits } from './origin-limits.ts'
import type { PeerSetPort } from './peer-set-port.ts'
import type { RangeLimits } from './range-limits.ts'
import { rangesAt } from './range-limits.ts'
import type { Route, SourcePicker } from './source-picker.ts'
import { NO_CACHE } from './source-picker.ts'
import { StandIns } from './stand-ins.ts'

/** Attempts in a row to find a way to the content, without a piece between them, before the transfer fails. */
const MAX_FAILURES = 5
const RETRY_MS = 400
const START_OVER_MS = 50

interface FailoverDeps {
  readonly clock: Clock
  readonly tier: Tier
  readonly sources: SourcePicker
  readonly leecher: LeecherPort
  readonly peers: PeerSetPort
  readonly hashes: HashExchange
  readonly holders: Holders
  readonly actives: Actives
  readonly limits: Pick<OriginLimits, 'lowest'>
  readonly tasks: TaskGroup
  readonly run: RunEffect
}

/** Leads transfers to their content, and to another way when one is lost. */
export class Failover {
  readonly #deps: FailoverDeps
  readonly #standIns: StandIns
  /** Who looks for a way just now. */
  readonly #looking = new WeakSet<Active>()
  /** Attempts in a row that have brought nothing. */
  readonly #failures = new WeakMap<Active, number>()
  readonly #homeErrors = new WeakMap<Active, number>()
  /** What the ranges of each transfer were told last. */
  readonly #ranges = new WeakMap<Active, RangeLimits & { readonly chain: OriginChain }>()

  constructor(deps: FailoverDeps) {
    this.#deps = deps
    this.#standIns = new StandIns(deps.tier)
  }

  /** Takes a way to the content: joins the home's swarm, or opens the origin's ranges. */
  apply(active: Active, route: Extract<Route, { kind: 'swarm' | 'origin' }>): void {
    const { leecher, peers, hashes, tier, tasks } = this.#deps
    const { transfer } = active
    if (route.kind === 'origin') {
      active.readsFrom(route.chain)
      void tasks.run('opening an origin failed', () => this.#openOrigin(active, route.chain))
      return
    }
    if (active.chain !== undefined) leecher.drive({ type: 'originOpen', blob: transfer.blob, ranges: 0 })
    active.joined(route.link)
    // a home says so only once it has it, or the host that it asks
    transfer.confirm()
    leecher.join(transfer, route.link, route.as, 0)
    hashes.take(active, route.link, route.joined.runs)
    if (active.shared) peers.meet(active, tier.introductions.believed(route.link, route.joined.peers))
  }

  /** What the region has already is not read again. */
  async #openOrigin(active: Active, chain: OriginChain): Promise<void> {
    const { holders, actives, limits } = this.#deps
    this.#ranges.delete(active)
    if (holders.isWorthAsking(active)) await holders.join(active, chain)
    if (!actives.runs(active) || active.chain !== chain) return
    this.#openRanges(active, chain, rangesAt(limits.lowest(active.transfer.digest)))
  }

  /** A home that answers nothing, and sends nothing, is not busy with others. */
  homeMayBeMute({ home, transfer }: Active): void {
    if (home !== undefined && this.#deps.tier.requests.isMute(transfer.digest, home)) this.#deps.leecher.mute(home)
  }

  /** Tells the ranges what the limits allow them, where that is not what they were told. */
  limitsMayHaveChanged(active: Active): void {
    const { chain, transfer } = active
    const known = this.#ranges.get(active)
    // what is not open yet is not opened by this: hosts of the region may still be asked
    if (chain === undefined || known?.chain !== chain) return
    const now = rangesAt(this.#deps.limits.lowest(transfer.digest))
    if (known.count !== now.count || known.bytes !== now.bytes) this.#openRanges(active, chain, now)
  }

  #openRanges(active: Active, chain: OriginChain, ranges: RangeLimits): void {
    this.#ranges.set(active, { ...ranges, chain })
    const event = {
      type: 'originOpen',
      blob: active.transfer.blob,
      ranges: ranges.count,
      rangeBytes: ranges.bytes,
    } as const
    const { takesRanges } = chain
    this.#deps.leecher.drive({ ...event, takesRanges, mayGrow: ranges.bytes === undefined })
  }

  /** Looks for a way again: the home is gone, starts over, or has more neighbours to introduce. */
  reroute(active: Active): void {
    if (this.#looking.has(active) || !this.#deps.actives.runs(active)) return
    this.#looking.add(active)
    void this.#deps.tasks.run('finding a way failed', async () => {
      await this.#findWay(active).finally(() => this.#looking.delete(active))
    })
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
      home.send(transferMessages.leave, { blob: transfer.digest })
      active.lostHome()
      const isForsaken = this.#standIns.forsaken(active, home)
      if (!isForsaken && this.#failedOften(active, new ShoalError('UNAVAILABLE', 'nobody sends anything of the blob')))
        return
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
    if (errors > 2) active.passHomes()
    this.gaveUp(active)
  }

  /** The home gave up. Another may do better, or the same one later: but not for ever. */
  gaveUp(active: Active): void {
    const { home } = active
    active.lostHome()
    if (home !== undefined && this.#standIns.forsaken(active, home)) return this.reroute(active)
    if (!this.#failedOften(active, new ShoalError('UNAVAILABLE', 'the home cannot get the blob'))) this.reroute(active)
  }

  /** A piece has come: what failed before it does not count any more. */
  progressed(active: Active): void {
    this.#failures.delete(active)
  }

  /** Whether what has come of a blob came by the word of a host that stood in for a cache and failed. */
  isDoubtful(active: Active): boolean {
    return this.#standIns.haveFailed(active)
  }

  /** The origin failed again and again: asks the tier above once more, if there is one. */
  originFailed(active: Active, cause: ShoalError): void {
    const hasParents = this.#deps.tier.parents(active.transfer.digest).length > 0
    if (!hasParents) this.#fail(active, cause)
    else if (!this.#failedOften(active, cause)) this.reroute(active)
  }

  #failedOften(active: Active, cause: ShoalError): boolean {
    const failures = (this.#failures.get(active) ?? 0) + 1
    this.#failures.set(active, failures)
    if (failures < MAX_FAILURES) return false
    this.#fail(active, cause)
    return true
  }

  #fail(active: Active, error: ShoalError): void {
    this.#deps.run({ type: 'fail', active, error })
  }

  /** Never rejects. */
  async #findWay(active: Active): Promise<void> {
    const { actives, sources, clock, tier } = this.#deps
    const { layout, ref, partial, signal } = active.transfer
    while (actives.runs(active)) {
      try {
        const { entry, order, awaits } = active
        const attempt = active.transfer.failedProofs
        const request = {
          ref,
          size: layout.size,
          have: partial.have.toBytes(),
          entry,
          background: isBackground(order),
          awaits,
        }
        const found = await sources.route(request, signal)
        // the region's last cache may have gone while it was asked
        const route = found.kind === 'origin' && isBackground(active.order) && tier.acting ? NO_CACHE : found
        if (!actives.runs(active)) return
        if (active.isStartingOver || attempt !== active.transfer.failedProofs) {
          // found for content that has turned out wrong meanwhile
          await sleep(clock, START_OVER_MS, signal)
          continue
        }
        if (route.kind === 'origin' || (route.kind === 'swarm' && route.joined.size === layout.size)) {
          this.apply(active, route)
          return
        }
        // the host that was asked has asked the origin: asking again and again will not find it
        if (route.kind === 'refused' && route.reason !== 'unavailable') {
          return this.#fail(active, errorOf(route))
        }
        const why = route.kind === 'refused' ? route.message : 'the home announces another size'
        if (this.#failedOften(active, new ShoalError('UNAVAILABLE', why))) return
        await sleep(clock, RETRY_MS * (this.#failures.get(active) ?? 0), signal)
      } catch (error) {
        if (signal.aborted) return
        this.#fail(
          active,
          isShoalError(error) ? error : new ShoalError('UNAVAILABLE', errorText(error), { cause: error }),
        )
        return
      }
    }
  }
}
