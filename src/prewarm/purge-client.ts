import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { parseReference } from '../oci/reference.ts'
import type { Order } from '../trust/index.ts'
import type { CacheRoutes } from './cache-routes.ts'
import type { KnownUpstreams } from './job-client.ts'
import type { JobOrderOf, Orders } from './orders.ts'
import type { PurgeSpec, PurgeView } from './purge.ts'
import { newPurgeId, parsePurge } from './purge.ts'
import type { PurgeApi } from './purge-api.ts'

interface PurgeClientDeps {
  readonly routes: CacheRoutes
  readonly orders: Orders
  /** Where this host is one of those that are asked. */
  readonly api: PurgeApi | undefined
  readonly upstreams: KnownUpstreams
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
    return this.submit(
      parsePurge(references, options, (text) => parseReference(text, first(), has)),
      signal,
    )
  }

  /** The same for what was read already. */
  async submit(purge: PurgeSpec, signal: AbortSignal): Promise<PurgeView> {
    const { orders, clock } = this.#deps
    return this.#begin(orders.purge(newPurgeId(clock.wall()), purge), signal)
  }

  /** Does what an operator has signed. Throws `ORDER_REQUIRED`, `PREWARM_INVALID`, `PREWARM_IMPOSSIBLE`. */
  async obey(order: Order, signal: AbortSignal): Promise<PurgeView> {
    return this.#begin(this.#deps.orders.check(order, 'purge'), signal)
  }

  /** Those that still hold, the newest first. */
  async list(signal: AbortSignal): Promise<readonly PurgeView[]> {
    return this.#list(null, signal)
  }

  /** Throws `PREWARM_UNKNOWN`. */
  async show(id: string, signal: AbortSignal): Promise<PurgeView> {
    const [view] = await this.#list(id, signal)
    if (view === undefined) throw new ShoalError('PREWARM_UNKNOWN', `there is no purge ${id}, or it is forgotten`)
    return view
  }

  #list(id: string | null, signal: AbortSignal): Promise<readonly PurgeView[]> {
    const { routes, api } = this.#deps
    const here = api && (() => api.list({ id }, 0, signal))
    return routes.up({ name: 'purges', ask: { id }, hops: 0 }, id ?? 'purges', signal, here)
  }

  async #begin(ordered: JobOrderOf<'purge'>, signal: AbortSignal): Promise<PurgeView> {
    const { routes, api, orders } = this.#deps
    const { id, order } = ordered
    const here = api && (() => api.begin(ordered, 0, signal))
    const view = await routes.up({ name: 'purge', ask: { id, order }, hops: 0 }, id, signal, here)
    orders.note(order, 'this host')
    return view
  }
}
