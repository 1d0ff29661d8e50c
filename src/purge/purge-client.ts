import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { parseReference } from '../oci/reference.ts'
import type { CacheRoutes, Ordered, Orders } from '../orders/index.ts'
import type { Order } from '../trust/index.ts'
import type { PurgeSpec, PurgeView } from './purge.ts'
import { newPurgeId, parsePurge } from './purge.ts'
import type { PurgeRequests } from './words.ts'
import { PURGE_ORDER } from './words.ts'

export interface PurgeClientDeps {
  readonly routes: CacheRoutes<PurgeRequests>
  readonly orders: Orders
  /** What a name without a registry means, and which upstreams are configured. */
  readonly upstreams: { readonly first: () => string; readonly has: (upstream: string) => boolean }
  readonly clock: Pick<Clock, 'wall'>
}

/** Purges as they are asked for on any host. All may throw `UNAVAILABLE`, and what is said with each. */
export class PurgeClient {
  readonly #deps: PurgeClientDeps

  constructor(deps: PurgeClientDeps) {
    this.#deps = deps
  }

  /** Has images leave all hosts, in this host's own name. Throws `REFERENCE_INVALID`, `ORDER_REQUIRED`, `PREWARM_IMPOSSIBLE`. */
  async start(
    references: readonly string[],
    options: { readonly repositories: boolean; readonly dryRun: boolean },
    signal: AbortSignal,
  ): Promise<PurgeView> {
    const { first, has } = this.#deps.upstreams
    const purge = parsePurge(references, options, (text) => parseReference(text, first(), has))
    return this.submit(purge, signal)
  }

  /** The same for what was read already. */
  async submit(purge: PurgeSpec, signal: AbortSignal): Promise<PurgeView> {
    const { orders, clock } = this.#deps
    return this.#begin(orders.give(PURGE_ORDER, newPurgeId(clock.wall()), purge), signal)
  }

  /** Does what an operator has signed. Throws `ORDER_REQUIRED`, `PREWARM_INVALID`, `PREWARM_IMPOSSIBLE`. */
  async obey(order: Order, signal: AbortSignal): Promise<PurgeView> {
    return this.#begin(this.#deps.orders.check(PURGE_ORDER, order), signal)
  }

  /** Those that still hold, the newest first. */
  list(signal: AbortSignal): Promise<readonly PurgeView[]> {
    return this.#deps.routes.up({ name: 'purges', ask: { id: null } }, 'purges', signal)
  }

  /** Throws `PREWARM_UNKNOWN`. */
  async show(id: string, signal: AbortSignal): Promise<PurgeView> {
    const [view] = await this.#deps.routes.up({ name: 'purges', ask: { id } }, id, signal)
    if (view === undefined) throw new ShoalError('PREWARM_UNKNOWN', `there is no purge ${id}, or it is forgotten`)
    return view
  }

  #begin(ordered: Ordered<PurgeSpec>, signal: AbortSignal): Promise<PurgeView> {
    const { id, order } = ordered
    return this.#deps.routes.obeyed({ name: 'purge', ask: { id, order } }, ordered, signal)
  }
}
