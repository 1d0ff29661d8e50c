import type { Tier } from '../tier/index.ts'
import type { CacheRoutes } from './cache-routes.ts'
import { unanswered } from './job-refusals.ts'
import type { JobOrderOf } from './orders.ts'
import type { RequestName, RequestOf, ResponseTo } from './requests.ts'
import type { ScheduleView } from './schedule.ts'
import type { Schedules } from './schedules.ts'

const LIST = 'schedules'

interface ScheduleApiDeps {
  readonly tier: Pick<Tier, 'parentRegions'>
  readonly routes: CacheRoutes
  readonly schedules: Schedules
}

/** Responds to requests about schedules on a cache: they are kept in the region that has none above it. */
export class ScheduleApi {
  readonly #deps: ScheduleApiDeps

  constructor(deps: ScheduleApiDeps) {
    this.#deps = deps
  }

  add(ordered: JobOrderOf<'schedule'>, hops: number, signal: AbortSignal): Promise<ScheduleView> {
    const { id, order } = ordered
    const request = { name: 'schedule', ask: { id, order }, hops } as const
    return this.#atTheTop(request, id, signal, () => this.#deps.schedules.add(ordered))
  }

  cancel(ordered: JobOrderOf<'unschedule'>, hops: number, signal: AbortSignal): Promise<ScheduleView> {
    const { id, order } = ordered
    const request = { name: 'unschedule', ask: { id, order }, hops } as const
    return this.#atTheTop(request, id, signal, () => this.#deps.schedules.cancel(ordered))
  }

  list(hops: number, signal: AbortSignal): Promise<readonly ScheduleView[]> {
    const request = { name: 'schedules', ask: {}, hops } as const
    return this.#atTheTop(request, LIST, signal, async () => this.#deps.schedules.list())
  }

  async #atTheTop<N extends Extract<RequestName, 'schedule' | 'unschedule' | 'schedules'>>(
    request: RequestOf<N>,
    key: string,
    signal: AbortSignal,
    here: () => Promise<ResponseTo<N>>,
  ): Promise<ResponseTo<N>> {
    const { routes, tier } = this.#deps
    const above = await routes.above(request, key, signal)
    if (above !== undefined) return above.value
    if (tier.parentRegions.length > 0) {
      throw unanswered(tier.parentRegions, undefined, ', and there the schedules of the fleet are kept')
    }
    return here()
  }
}
