import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Logger } from '../base/log.ts'
import type { Order } from './order.ts'
import { ORDER_SKEW_MS, orderContent } from './order.ts'

/** An order that is said again within its time is one line; one that newer ones have pushed out is another. */
const MAX_NOTED = 4_096

/** From whom an order came: whoever passed it on need not have given it. */
export type OrderSource = 'this host' | { readonly peer: { readonly key: string }; readonly remote: string | undefined }

/** One line for each order that a host has obeyed: who gave it, what it was, and from which host it came. */
export class OrderLog {
  readonly #logger: Logger
  readonly #noted: ExpiringMap<true>

  constructor({ clock, logger }: { readonly clock: Pick<Clock, 'now'>; readonly logger: Logger }) {
    this.#logger = logger
    this.#noted = new ExpiringMap(clock, MAX_NOTED)
  }

  /** `by`: who gave it, as `provenOrder` says. `what`: what it has done, bounded by whoever tells it. */
  obeyed(order: Order, by: string | undefined, from: OrderSource, what: object = {}): void {
    const said = orderContent(order)
    if (said === undefined || this.#noted.get(said.nonce) === true) return
    this.#noted.set(said.nonce, true, 2 * ORDER_SKEW_MS)
    const via = from === 'this host' ? { from } : { from: from.peer.key, address: from.remote }
    this.#logger.info({ order: said.verb, subject: said.subject, by, ...via, ...what }, 'an order was obeyed')
  }
}
