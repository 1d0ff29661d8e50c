import type { CacheRoutes } from './cache-routes.ts'
import type { JobOrderOf } from './orders.ts'
import type { ScheduleView } from './schedule.ts'
import type { Schedules } from './schedules.ts'

const LIST = 'schedules'
const KEPT = 'the schedules of the fleet'

interface ScheduleApiDeps {
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
    return this.#deps.routes.atTheTop(request, { key: id, kept: KEPT }, signal, () => this.#deps.schedules.add(ordered))
  }

  cancel(ordered: JobOrderOf<'unschedule'>, hops: number, signal: AbortSignal): Promise<ScheduleView> {
    const { id, order } = ordered
    const request = { name: 'unschedule', ask: { id, order }, hops } as const
    return this.#deps.routes.atTheTop(request, { key: id, kept: KEPT }, signal, () =>
      this.#deps.schedules.cancel(ordered),
    )
  }

  list(hops: number, signal: AbortSignal): Promise<readonly ScheduleView[]> {
    const request = { name: 'schedules', ask: {}, hops } as const
    return this.#deps.routes.atTheTop(request, { key: LIST, kept: KEPT }, signal, async () =>
      this.#deps.schedules.list(),
    )
  }
}
