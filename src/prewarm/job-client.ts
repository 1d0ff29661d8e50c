import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { parseReference, referenceText, wholeReferenceText } from '../oci/reference.ts'
import type { Ordered, Orders } from '../orders/index.ts'
import { newOrderId } from '../orders/index.ts'
import type { Order } from '../trust/index.ts'
import { orderContent } from '../trust/index.ts'
import type { GateSpec, GateView } from './gate.ts'
import { gateOf } from './gate.ts'
import type { HostView, PrewarmPatch, PrewarmPlanView, PrewarmSpec, PrewarmView } from './interface.ts'
import { imagesKey } from './job.ts'
import { EDIT_ORDER, JOB_ORDER } from './job-orders.ts'
import type { PrewarmRoutes } from './requests.ts'
import type { Scheduled, ScheduleView } from './schedule.ts'
import { newScheduleId, parseWhen } from './schedule.ts'
import { SCHEDULE_ORDER, UNSCHEDULE_ORDER } from './schedule-orders.ts'
import { parsePrewarmPatch, parsePrewarmSpec } from './spec.ts'

/** How this host reads the names of images. */
export interface KnownUpstreams {
  /** What a name without a registry means. */
  readonly first: () => string
  /** Whether an upstream is configured. */
  readonly has: (upstream: string) => boolean
}

interface JobClientDeps {
  readonly routes: PrewarmRoutes
  readonly orders: Orders
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
    return this.#submit(orders.give(JOB_ORDER, id ?? newOrderId(clock.wall()), this.#spec(request)), signal)
  }

  /** Starts a job that was read already, as a webhook's rule or a schedule has one; its images are complete. */
  async submit(spec: PrewarmSpec, signal: AbortSignal, id = newOrderId(this.#deps.clock.wall())): Promise<PrewarmView> {
    return this.#submit(this.#deps.orders.give(JOB_ORDER, id, spec), signal)
  }

  /** Has jobs begun at a time, or again and again: `when` as `parseWhen` reads it. */
  async schedule(request: unknown, when: unknown, signal: AbortSignal): Promise<ScheduleView> {
    const { orders, clock } = this.#deps
    const now = clock.wall()
    const scheduled = { spec: this.#spec(request), when: parseWhen(when, now) }
    return this.#schedule(orders.give(SCHEDULE_ORDER, newScheduleId(now), scheduled), signal)
  }

  /** Those that are kept, the next to run first. */
  schedules(signal: AbortSignal): Promise<readonly ScheduleView[]> {
    return this.#deps.routes.up({ name: 'schedules', ask: {} }, 'schedules', signal)
  }

  async unschedule(id: string, signal: AbortSignal): Promise<ScheduleView> {
    return this.#unschedule(this.#deps.orders.give(UNSCHEDULE_ORDER, id, null), signal)
  }

  /** Does what an operator has signed about a schedule. */
  async obeySchedule(order: Order, signal: AbortSignal): Promise<ScheduleView> {
    const { orders } = this.#deps
    return orderContent(order)?.verb === 'unschedule'
      ? this.#unschedule(orders.check(UNSCHEDULE_ORDER, order), signal)
      : this.#schedule(orders.check(SCHEDULE_ORDER, order), signal)
  }

  /** What the job of a request would do. */
  async plan(request: unknown, signal: AbortSignal): Promise<PrewarmPlanView> {
    const spec = this.#spec(request)
    return this.#deps.routes.up({ name: 'plan', ask: { spec } }, imagesKey(spec), signal)
  }

  list(signal: AbortSignal): Promise<readonly PrewarmView[]> {
    return this.#deps.routes.up({ name: 'list', ask: {} }, 'list', signal)
  }

  show(id: string, signal: AbortSignal): Promise<PrewarmView> {
    return this.#deps.routes.up({ name: 'show', ask: { id } }, id, signal)
  }

  /** Whether a rollout of an image may go on, as the jobs stand. */
  async gate(text: string, spec: GateSpec, signal: AbortSignal): Promise<GateView> {
    const { upstreams } = this.#deps
    const reference = parseReference(text, upstreams.first(), upstreams.has)
    const digest = reference.target.kind === 'digest' ? reference.target.digest : undefined
    return gateOf({ text: referenceText(reference), digest }, await this.list(signal), spec)
  }

  async hosts(id: string, signal: AbortSignal): Promise<readonly HostView[]> {
    const { regions } = await this.show(id, signal)
    const all: HostView[] = []
    for (const { region } of regions) {
      for (let [first, more] = [0, true]; more; ) {
        const page = await this.#deps.routes.up({ name: 'hosts', ask: { id, region, first } }, id, signal)
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
    return this.#edit(this.#deps.orders.give(EDIT_ORDER, id, changes, orderedEpochMs), signal)
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
      ? this.#submit(orders.check(JOB_ORDER, order), signal)
      : this.#edit(orders.check(EDIT_ORDER, order), signal)
  }

  #submit(ordered: Ordered<PrewarmSpec>, signal: AbortSignal): Promise<PrewarmView> {
    const { id, content: spec, order } = ordered
    return this.#deps.routes.obeyed({ name: 'submit', ask: { id, spec, order } }, ordered, signal)
  }

  #edit(ordered: Ordered<PrewarmPatch>, signal: AbortSignal): Promise<PrewarmView> {
    const { id, content: patch, order } = ordered
    return this.#deps.routes.obeyed({ name: 'edit', ask: { id, patch, order } }, ordered, signal)
  }

  #schedule(ordered: Ordered<Scheduled>, signal: AbortSignal): Promise<ScheduleView> {
    const { id, order } = ordered
    return this.#deps.routes.obeyed({ name: 'schedule', ask: { id, order } }, ordered, signal)
  }

  #unschedule(ordered: Ordered<unknown>, signal: AbortSignal): Promise<ScheduleView> {
    const { id, order } = ordered
    return this.#deps.routes.obeyed({ name: 'unschedule', ask: { id, order } }, ordered, signal)
  }

  #spec(request: unknown): PrewarmSpec {
    const spec = parsePrewarmSpec(request)
    const { first, has } = this.#deps.upstreams
    const images = spec.images.map((text) => wholeReferenceText(parseReference(text, first(), has)))
    return { ...spec, images: [...new Set(images)] }
  }
}
