import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Order, OrderSource, ProvenOrder, Trust } from '../trust/index.ts'
import { giveOrder, giveOrderAsCache, isFresh, OrderLog, provenOrder } from '../trust/index.ts'
import type { Ordered, OrderKind } from './order-kind.ts'
import { laterThan, readOrder } from './order-kind.ts'

/** An order that was given some time ago, and who gave it. */
export type HandedOn<S> = Ordered<S> & { readonly by: string }

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

/** Who may act on the fleet: signs orders where this host may, and checks those of others. */
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

  /** Signs as this host, to be later than the last order about the same. Throws `ORDER_REQUIRED` where it may not. */
  give<S>(kind: OrderKind<S>, id: string, content: S, afterEpochMs = 0): Ordered<S> {
    const { trust, region, clock } = this.#deps
    const issuedEpochMs = laterThan(afterEpochMs, clock.wall())
    const what = { verb: kind.verb, subject: id, content, issuedEpochMs }
    const order = giveOrder(trust, what) ?? giveOrderAsCache(trust, region, what)
    if (order === undefined)
      throw required(`this acts on the fleet, and this host holds no operator's credential: ${HELP}`)
    return { id, content, order, issuedEpochMs }
  }

  /** What an order says that another cache hands on, however long ago it was given; undefined unless it is proven. */
  handedOn<S>(kind: OrderKind<S>, order: Order): HandedOn<S> | undefined {
    const proven = this.#proven(order)
    const read = proven && readOrder(kind, order, proven)
    return read && { ...read, by: proven.by }
  }

  /**
   * What an order says, once it is proven, new and complete. Throws `ORDER_REQUIRED` when there is none or it does not
   * count here, `PREWARM_INVALID` when it says what cannot be ordered.
   */
  check<S>(kind: OrderKind<S>, order: Order | undefined): Ordered<S> {
    if (order === undefined) throw required(`this acts on the fleet, and no operator's order came with it: ${HELP}`)
    const proven = this.#proven(order)
    if (proven?.verb !== kind.verb) throw required(this.#unproven(order))
    const now = this.#deps.clock.wall()
    if (!isFresh(proven, now)) {
      const given = new Date(proven.issuedEpochMs).toISOString()
      throw required(`the order is of ${given}, and it is ${new Date(now).toISOString()} here: is a clock wrong?`)
    }
    const read = readOrder(kind, order, proven)
    if (read === undefined) throw new ShoalError('PREWARM_INVALID', 'the order names no job that this version can run')
    return read
  }

  /** Notes that an order was obeyed. */
  note<S>(kind: OrderKind<S>, { order, content }: Pick<Ordered<S>, 'order' | 'content'>, from: OrderSource): void {
    this.#log.obeyed(order, this.#proven(order)?.by, from, kind.fields(content))
  }

  /** What was ordered by an operator or a cache of `region`, however long ago; undefined unless it is proven. */
  provenFor(region: string, order: Order): ProvenOrder | undefined {
    return provenOrder(this.#deps.trust, order, (other) => other === region)
  }

  #proven(order: Order): ProvenOrder | undefined {
    return provenOrder(this.#deps.trust, order, (other) => this.#isOver(other))
  }

  #isOver(other: string): boolean {
    return other === this.#deps.region || this.#deps.isParentRegion(other)
  }

  #unproven({ region: other }: Order): string {
    if (other === null || this.#isOver(other)) return `the order is not signed by an operator of this fleet: ${HELP}`
    return `a cache of region ${other} may order for that region and those below it alone: ${HELP}`
  }
}

function required(message: string): ShoalError {
  return new ShoalError('ORDER_REQUIRED', message)
}
