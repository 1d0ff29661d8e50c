import type { Clock } from '../base/clock.ts'
import type { Events } from '../base/events.ts'
import type { Logger } from '../base/log.ts'
import type { PeerLink } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'

type TierState = ReturnType<Tier['status']>['state']

const AGAIN_MS = 1_000

interface TierWatchDeps {
  readonly clock: Clock
  readonly tier: Pick<Tier, 'status'>
  readonly events: Pick<Events, 'publish'>
  readonly logger: Logger
}

/** Says when the last cache of this host's region is gone and when one is back, and tells of each cache that comes and goes. */
export class TierWatch implements Disposable {
  readonly #deps: TierWatchDeps
  /** Undefined until the caches have been tried once: before that none is missed. */
  #state: TierState | undefined
  #again: Disposable | undefined

  constructor(deps: TierWatchDeps) {
    this.#deps = deps
  }

  /** It is known whether a cache answers. */
  settled(): void {
    this.#look()
  }

  /** A link has come or gone, and the tier knows of it. */
  changed({ peer }: PeerLink, change: 'linked' | 'lost'): void {
    if (peer.role !== 'cache') return
    const { state } = this.#deps.tier.status()
    const [cache] = peer.addresses
    this.#deps.events.publish('tier', { change, cache: cache ?? peer.key, region: peer.region, state })
    if (this.#state === undefined) return
    this.#look()
    // whether a new link is to a cache of the configuration is known a moment later
    this.#again?.[Symbol.dispose]()
    this.#again = this.#deps.clock.after(AGAIN_MS, () => this.#look())
  }

  [Symbol.dispose](): void {
    this.#again?.[Symbol.dispose]()
  }

  #look(): void {
    const { tier, events, logger } = this.#deps
    const { state, caches } = tier.status()
    const before = this.#state
    this.#state = state
    if (state === before) return
    const fields = { state, before, caches: caches.map(({ address }) => address) }
    switch (state) {
      case 'acting':
        logger.warn(fields, 'no cache of this region answers: its hosts stand in for them, in turns')
        break
      case 'linked':
        if (before === 'acting') logger.info(fields, 'caches of this region answer again')
        break
      case 'own':
        break
      default:
        state satisfies never
    }
    if (before !== undefined) events.publish('tier', { change: 'state', ...fields })
  }
}
