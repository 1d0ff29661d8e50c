import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { parseReference, referenceText, wholeReferenceText } from '../oci/reference.ts'
import type { Order } from '../trust/index.ts'
import { orderContent } from '../trust/index.ts'
import type { CacheRoutes } from './cache-routes.ts'
import type { GateSpec, GateView } from './gate.ts'
import { gateOf } from './gate.ts'
import type { HostView, PrewarmPlanView, PrewarmSpec, PrewarmView } from './interface.ts'
import { imagesKey, newJobId } from './job.ts'
import type { JobApi } from './job-api.ts'
import type { JobOrderOf, Orders } from './orders.ts'
import type { RequestOf, ResponseTo } from './requests.ts'
import type { ScheduleView } from './schedule.ts'
import { newScheduleId, parseWhen } from './schedule.ts'
import { parsePrewarmPatch, parsePrewarmSpec } from './spec.ts'

/** How this host reads the names of images. */
export interface KnownUpstreams {
  /** What a name without a registry means. */
  readonly first: () => string
  /** Whether an upstream is configured. */
  readonly has: (upstream: string) => boolean
}

interface JobClientDeps {
  readonly routes: CacheRoutes
  readonly orders: Orders
  /** Where this host is one of those that are asked. */
  readonly api: JobApi | undefined
  readonly upstreams: KnownUpstreams
  readonly clock: Pick<Clock, 'wall'>
}

/**
 * Jobs as they are asked for on any host: reads what people write, signs it where this host may, and asks the caches that
 * keep the jobs. All may throw the codes of `PREWARM_*`, `ORDER_REQUIRED`, `REFERENCE_INVALID` and `UNAVAILABLE`.
 */
export class JobClient {
  readonly #deps: JobClientDeps

  constructor(deps: JobClientDeps) {
    this.#deps = deps
  }

  /** Starts the job that a request describes; the same `id` again is the same job. */
  async start(request: unknown, id: string | undefined, signal: AbortSignal): Promise<PrewarmView> {
    const { orders, clock } = this.#deps
    return this.#submit(orders.begin(id ?? newJobId(clock.wall()), this.#spec(request)), signal)
  }

  /** Starts a job that was read already, as a webhook's rule or a schedule has one; its images are complete. */
  async submit(spec: PrewarmSpec, signal: AbortSignal, id = newJobId(this.#deps.clock.wall())): Promise<PrewarmView> {
    return this.#submit(this.#deps.orders.begin(id, spec), signal)
  }

  /** Has jobs begun at a time, or again and again: `when` as `parseWhen` reads it. */
  async schedule(request: unknown, when: unknown, signal: AbortSignal): Promise<ScheduleView> {
    const { orders, clock } = this.#deps
    const now = clock.wall()
    const scheduled = { spec: this.#spec(request), when: parseWhen(when, now) }
    return this.#schedule(orders.schedule(newScheduleId(now), scheduled), signal)
  }

  /** Those that are kept, the next to run first. */
  async schedules(signal: AbortSignal): Promise<readonly ScheduleView[]> {
    const { routes, api } = this.#deps
    const request = { name: 'schedules', ask: {}, hops: 0 } as const
    return routes.up(request, 'schedules', signal, api && (() => api.schedules.list(0, signal)))
  }

  async unschedule(id: string, signal: AbortSignal): Promise<ScheduleView> {
    return this.#unschedule(this.#deps.orders.unschedule(id), signal)
  }

  /** Does what an operator has signed about a schedule. */
  async obeySchedule(order: Order, signal: AbortSignal): Promise<ScheduleView> {
    const { orders } = this.#deps
    return orderContent(order)?.verb === 'unschedule'
      ? this.#unschedule(orders.check(order, 'unschedule'), signal)
      : this.#schedule(orders.check(order, 'schedule'), signal)
  }

  /** What the job of a request would do. */
  async plan(request: unknown, signal: AbortSignal): Promise<PrewarmPlanView> {
    const { routes, api } = this.#deps
    const ask = { spec: this.#spec(request) }
    const here = api && (() => api.plan(ask, 0, signal))
    return routes.up({ name: 'plan', ask, hops: 0 }, imagesKey(ask.spec), signal, here)
  }

  async list(signal: AbortSignal): Promise<readonly PrewarmView[]> {
    const { routes, api } = this.#deps
    return routes.up({ name: 'list', ask: {}, hops: 0 }, 'list', signal, api && (() => api.list(0, signal)))
  }

  async show(id: string, signal: AbortSignal): Promise<PrewarmView> {
    const { routes, api } = this.#deps
    return routes.up({ name: 'show', ask: { id }, hops: 0 }, id, signal, api && (() => api.show({ id }, 0, signal)))
  }

  /** Whether a rollout of an image may go on, as the jobs stand. */
  async gate(text: string, spec: GateSpec, signal: AbortSignal): Promise<GateView> {
    const { upstreams } = this.#deps
    const reference = parseReference(text, upstreams.first(), upstreams.has)
    const digest = reference.target.kind === 'digest' ? reference.target.digest : undefined
    return gateOf({ text: referenceText(reference), digest }, await this.list(signal), spec)
  }

  async hosts(id: string, signal: AbortSignal): Promise<readonly HostView[]> {
    const { routes, api } = this.#deps
    const { regions } = await this.show(id, signal)
    const all: HostView[] = []
    for (const { region } of regions) {
      for (let [first, more] = [0, true]; more; ) {
        const ask = { id, region, first }
        const here = api && (() => api.hosts(ask, 0, signal))
        const page = await routes.up({ name: 'hosts', ask, hops: 0 }, id, signal, here)
        all.push(...page.hosts)
        first += page.hosts.length
        more = page.more && page.hosts.length > 0
      }
    }
    return all
  }

  async edit(id: string, patch: unknown, signal: AbortSignal): Promise<PrewarmView> {
    const changes = parsePrewarmPatch(patch)
    const { orderedEpochMs } = await this.show(id, signal)
    return this.#edit(this.#deps.orders.change(id, changes, orderedEpochMs), signal)
  }

  /** Does what an operator has signed: begins a job, or changes one. `id`, where given, must be the order's. */
  async obey(order: Order, id: string | undefined, signal: AbortSignal): Promise<PrewarmView> {
    const said = orderContent(order)
    if (
      said === undefined ||
      (said.verb !== 'prewarm' && said.verb !== 'edit') ||
      (id !== undefined && said.subject !== id)
    ) {
      const about = id === undefined ? 'the order is about no job' : `the order is not about ${id}`
      throw new ShoalError('PREWARM_INVALID', about)
    }
    const { orders } = this.#deps
    return said.verb === 'prewarm'
      ? this.#submit(orders.check(order, 'prewarm'), signal)
      : this.#edit(orders.check(order, 'edit'), signal)
  }

  #submit(ordered: JobOrderOf<'prewarm'>, signal: AbortSignal): Promise<PrewarmView> {
    const { id, spec, order } = ordered
    const { api } = this.#deps
    const here = api && (() => api.submit(ordered, 0, signal))
    return this.#have({ name: 'submit', ask: { id, spec, order }, hops: 0 }, ordered, signal, here)
  }

  #schedule(ordered: JobOrderOf<'schedule'>, signal: AbortSignal): Promise<ScheduleView> {
    const { id, order } = ordered
    const { api } = this.#deps
    const here = api && (() => api.schedules.add(ordered, 0, signal))
    return this.#have({ name: 'schedule', ask: { id, order }, hops: 0 }, ordered, signal, here)
  }

  #unschedule(ordered: JobOrderOf<'unschedule'>, signal: AbortSignal): Promise<ScheduleView> {
    const { id, order } = ordered
    const { api } = this.#deps
    const here = api && (() => api.schedules.cancel(ordered, 0, signal))
    return this.#have({ name: 'unschedule', ask: { id, order }, hops: 0 }, ordered, signal, here)
  }

  #edit(ordered: JobOrderOf<'edit'>, signal: AbortSignal): Promise<PrewarmView> {
    const { id, patch, order } = ordered
    const { api } = this.#deps
    const here = api && (() => api.edit(ordered, 0, signal))
    return this.#have({ name: 'edit', ask: { id, patch, order }, hops: 0 }, ordered, signal, here)
  }

  /** Has the caches do what an order says; once they have, it is noted as obeyed here. */
  async #have<N extends 'submit' | 'schedule' | 'unschedule' | 'edit'>(
    request: RequestOf<N>,
    { id, order }: Pick<JobOrderOf<'prewarm'>, 'id' | 'order'>,
    signal: AbortSignal,
    here: (() => Promise<ResponseTo<N>>) | undefined,
  ): Promise<ResponseTo<N>> {
    const { routes, orders } = this.#deps
    const view = await routes.up(request, id, signal, here)
    orders.note(order, 'this host')
    return view
  }

  #spec(request: unknown): PrewarmSpec {
    const spec = parsePrewarmSpec(request)
    const { first, has } = this.#deps.upstreams
    const images = spec.images.map((text) => wholeReferenceText(parseReference(text, first(), has)))
    return { ...spec, images: [...new Set(images)] }
  }
}
