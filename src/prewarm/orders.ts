import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Order, OrderContent, OrderSource, SignsOrders, Trust } from '../trust/index.ts'
import { giveOrder, giveOrderAsCache, isFresh, OrderLog, orderContent, provenOrder } from '../trust/index.ts'
import { imageReference } from './image-reference.ts'
import type { Plan, PrewarmPatch, PrewarmSpec, ToldRow } from './interface.ts'
import { applyPatch, isFinal } from './job.ts'
import { orderedFields } from './ordered-fields.ts'
import type { PurgeSpec } from './purge.ts'
import { isPurgeId, purgeSpecSchema } from './purge.ts'
import type { Scheduled } from './schedule.ts'
import { isScheduleId, scheduledSchema } from './schedule.ts'
import { jobId } from './shapes.ts'
import { patchSchema, specSchema } from './spec-shapes.ts'

interface OrderOfJob {
  readonly order: Order
  readonly id: string
  readonly issuedEpochMs: number
}
/** What an order does: it has a job begun or changed, a schedule kept or ended, or images taken from all hosts. */
type JobOrder =
  | (OrderOfJob & { readonly verb: 'prewarm'; readonly spec: PrewarmSpec })
  | (OrderOfJob & { readonly verb: 'edit'; readonly patch: PrewarmPatch })
  | (OrderOfJob & { readonly verb: 'schedule'; readonly scheduled: Scheduled })
  | (OrderOfJob & { readonly verb: 'unschedule' })
  | (OrderOfJob & { readonly verb: 'purge'; readonly purge: PurgeSpec })
/** An order to purge that was given some time ago, and who gave it. */
export type HandedOn = JobOrderOf<'purge'> & { readonly by: string }
export type JobOrderOf<V extends JobOrder['verb']> = Extract<JobOrder, { verb: V }>

interface OrdersDeps {
  readonly trust: Trust
  readonly clock: Pick<Clock, 'now' | 'wall'>
  readonly logger: Logger
  /** This host's. */
  readonly region: string
  /** Whether a region is above this one. */
  readonly isParentRegion: (region: string) => boolean
}

const HELP =
  'give --credential FILE, the fleet\'s cache key or an operator\'s certificate ("shoal fleet certify operator"), or ask on a cache itself'

/** Who may have jobs begun and changed: signs orders where this host may, and checks those of others. */
export class Orders {
  readonly #deps: OrdersDeps
  readonly #log: OrderLog

  constructor(deps: OrdersDeps) {
    this.#deps = deps
    this.#log = new OrderLog(deps)
  }

  /** Whether this host can give orders by itself. */
  get canGive(): boolean {
    return this.#deps.trust.canOrder || this.#deps.trust.canVouch
  }

  /** Signs a job as this host. Throws `ORDER_REQUIRED` where it may not. */
  begin(id: string, spec: PrewarmSpec): JobOrderOf<'prewarm'> {
    const issuedEpochMs = this.#deps.clock.wall()
    const order = this.#give({ verb: 'prewarm', subject: id, content: spec, issuedEpochMs })
    return { verb: 'prewarm', id, spec, order, issuedEpochMs }
  }

  /** Signs a change as this host, to be later than the job's last one. Throws `ORDER_REQUIRED` where it may not. */
  change(id: string, patch: PrewarmPatch, afterEpochMs: number): JobOrderOf<'edit'> {
    const issuedEpochMs = Math.max(this.#deps.clock.wall(), afterEpochMs + 1)
    const order = this.#give({ verb: 'edit', subject: id, content: patch, issuedEpochMs })
    return { verb: 'edit', id, patch, order, issuedEpochMs }
  }

  /** Signs a schedule as this host. Throws `ORDER_REQUIRED` where it may not. */
  schedule(id: string, scheduled: Scheduled): JobOrderOf<'schedule'> {
    const issuedEpochMs = this.#deps.clock.wall()
    const order = this.#give({ verb: 'schedule', subject: id, content: scheduled, issuedEpochMs })
    return { verb: 'schedule', id, scheduled, order, issuedEpochMs }
  }

  /** Signs the end of a schedule as this host. Throws `ORDER_REQUIRED` where it may not. */
  unschedule(id: string): JobOrderOf<'unschedule'> {
    const issuedEpochMs = this.#deps.clock.wall()
    const order = this.#give({ verb: 'unschedule', subject: id, content: null, issuedEpochMs })
    return { verb: 'unschedule', id, order, issuedEpochMs }
  }

  /** Signs a purge as this host. Throws `ORDER_REQUIRED` where it may not. */
  purge(id: string, purge: PurgeSpec): JobOrderOf<'purge'> {
    const issuedEpochMs = this.#deps.clock.wall()
    const order = this.#give({ verb: 'purge', subject: id, content: purge, issuedEpochMs })
    return { verb: 'purge', id, purge, order, issuedEpochMs }
  }

  /** What an order to purge says that another cache hands on, however long ago it was given; undefined unless it is proven. */
  handedOn(order: Order): HandedOn | undefined {
    const content = provenOrder(this.#deps.trust, order, (other) => this.#isOver(other))
    const read = content === undefined ? undefined : readJobOrder(order, content)
    return read?.verb === 'purge' && content !== undefined ? { ...read, by: content.by } : undefined
  }

  /**
   * What an order says, once it is proven, new and complete. Throws `ORDER_REQUIRED` when there is none or it does not
   * count here, `PREWARM_INVALID` when it says what no job may be.
   */
  check<V extends JobOrder['verb']>(order: Order | undefined, verb: V): JobOrderOf<V> {
    if (order === undefined) throw required(`this acts on the fleet, and no operator's order came with it: ${HELP}`)
    const { trust, clock } = this.#deps
    const content = provenOrder(trust, order, (other) => this.#isOver(other))
    if (content === undefined || content.verb !== verb) throw required(this.#unproven(order))
    if (!isFresh(content, clock.wall())) {
      const given = new Date(content.issuedEpochMs).toISOString()
      throw required(
        `the order is of ${given}, and it is ${new Date(clock.wall()).toISOString()} here: is a clock wrong?`,
      )
    }
    const read = readJobOrder(order, content)
    if (read === undefined) throw new ShoalError('PREWARM_INVALID', 'the order names no job that this version can run')
    // the verb was compared above
    return read as JobOrderOf<V>
  }

  /** Notes that an order about a job was obeyed. */
  note(order: Order, from: OrderSource): void {
    const by = provenOrder(this.#deps.trust, order, (other) => this.#isOver(other))?.by
    const said = jobOrder(order)
    if (said !== undefined) this.#log.obeyed(order, by, from, orderedFields(said))
  }

  /**
   * What a job's own orders say it is to do; undefined when they do not prove it. Orders that were `proven` here before
   * hold on when the certificate of who gave them has ended. Caches may have ended a job sooner than it was ordered.
   */
  specOf({ id, root, orders, spec, state, plan }: ToldRow, proven: readonly Order[] = []): PrewarmSpec | undefined {
    const { trust } = this.#deps
    const said = orders.map((order) => {
      const isProven = proven.some((known) => isDeepStrictEqual(known, order))
      const content = isProven ? orderContent(order) : provenOrder(trust, order, (other) => other === root)
      return content?.subject === id ? readJobOrder(order, content) : undefined
    })
    const [first, ...edits] = said
    if (first?.verb !== 'prewarm') return undefined
    let ordered = first.spec
    for (const edit of edits) {
      if (edit?.verb !== 'edit') return undefined
      ordered = applyPatch(ordered, edit.patch)
    }
    if (!isPlanOf(plan, ordered)) return undefined
    return isFinal(state) && spec.joinMs === 0 ? { ...ordered, joinMs: 0 } : ordered
  }

  #give(what: Omit<OrderContent, 'nonce'>): Order {
    const { trust, region: own } = this.#deps
    const order = giveOrder(trust, what) ?? giveOrderAsCache(trust, own, what)
    if (order === undefined)
      throw required(`this acts on the fleet, and this host holds no operator's credential: ${HELP}`)
    return order
  }

  #isOver(other: string): boolean {
    return other === this.#deps.region || this.#deps.isParentRegion(other)
  }

  #unproven({ region: other }: Order): string {
    if (other === null || this.#isOver(other)) return `the order is not signed by an operator of this fleet: ${HELP}`
    return `a cache of region ${other} may order for that region and those below it alone: ${HELP}`
  }
}

/** Signs a job with a credential that a user names; undefined when it is not an operator's. */
export function orderJob(signer: SignsOrders, id: string, spec: PrewarmSpec, now: number): Order | undefined {
  return giveOrder(signer, { verb: 'prewarm', subject: id, content: spec, issuedEpochMs: now })
}

/** Signs a change, to be later than the job's last one. */
export function orderChange(
  signer: SignsOrders,
  id: string,
  patch: PrewarmPatch,
  times: { readonly now: number; readonly afterEpochMs: number },
): Order | undefined {
  const issuedEpochMs = Math.max(times.now, times.afterEpochMs + 1)
  return giveOrder(signer, { verb: 'edit', subject: id, content: patch, issuedEpochMs })
}

/** Signs a schedule with a credential that a user names. */
export function orderSchedule(signer: SignsOrders, id: string, scheduled: Scheduled, now: number): Order | undefined {
  return giveOrder(signer, { verb: 'schedule', subject: id, content: scheduled, issuedEpochMs: now })
}

/** Signs the end of a schedule. */
export function orderUnschedule(signer: SignsOrders, id: string, now: number): Order | undefined {
  return giveOrder(signer, { verb: 'unschedule', subject: id, content: null, issuedEpochMs: now })
}

/** Signs a purge with a credential that a user names. */
export function orderPurge(signer: SignsOrders, id: string, purge: PurgeSpec, now: number): Order | undefined {
  return giveOrder(signer, { verb: 'purge', subject: id, content: purge, issuedEpochMs: now })
}

/** A job's order by what it says, whoever gave it; undefined for anything else. */
function jobOrder(order: Order): JobOrder | undefined {
  const content = orderContent(order)
  return content === undefined ? undefined : readJobOrder(order, content)
}

/** The orders that a job is still made of: without changes whose every part a later one has changed again. */
export function withOrder(orders: readonly Order[], order: Order): Order[] {
  const [first, ...edits] = [...orders, order]
  const settled = new Set<string>()
  const kept: Order[] = []
  for (const edit of edits.reverse()) {
    const said = jobOrder(edit)
    const { state: _, ...changes } = said?.verb === 'edit' ? said.patch : {}
    const keys = Object.keys(changes)
    if (keys.every((key) => settled.has(key))) continue
    for (const key of keys) settled.add(key)
    kept.unshift(edit)
  }
  return first === undefined ? kept : [first, ...kept]
}

function readJobOrder(order: Order, { verb, subject, content, issuedEpochMs }: OrderContent): JobOrder | undefined {
  const id = jobId.safeParse(subject).data
  if (id === undefined) return undefined
  switch (verb) {
    case 'prewarm': {
      const spec = specSchema.safeParse(content).data
      return spec === undefined ? undefined : { verb, order, id, spec, issuedEpochMs }
    }
    case 'edit': {
      const patch = patchSchema.safeParse(content).data
      return patch === undefined ? undefined : { verb, order, id, patch, issuedEpochMs }
    }
    case 'schedule': {
      const scheduled = isScheduleId(id) ? scheduledSchema.safeParse(content).data : undefined
      return scheduled === undefined ? undefined : { verb, order, id, scheduled, issuedEpochMs }
    }
    case 'unschedule':
      return isScheduleId(id) ? { verb, order, id, issuedEpochMs } : undefined
    case 'purge': {
      const purge = isPurgeId(id) ? purgeSpecSchema.safeParse(content).data : undefined
      return purge === undefined ? undefined : { verb, order, id, purge, issuedEpochMs }
    }
    case 'invalidate':
      return undefined
    default:
      return verb satisfies never
  }
}

/** Whether a plan is of the images that were ordered: what their tags mean is the caches' to say, which ones is not. */
function isPlanOf({ images }: Plan, spec: PrewarmSpec): boolean {
  if (images.length !== spec.images.length) return false
  return images.every(({ upstream, repository, digest }, i) => {
    const wanted = imageReference(spec.images[i]!)
    const isSame = wanted.upstream === upstream && wanted.repository === repository
    return isSame && (wanted.target.kind === 'tag' || wanted.target.digest === digest)
  })
}

function required(message: string): ShoalError {
  return new ShoalError('ORDER_REQUIRED', message)
}
