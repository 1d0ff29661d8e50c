import { randomBytes } from 'node:crypto'
import type { z } from 'zod'
import type { Order, OrderContent, SignsOrders } from '../trust/index.ts'
import { giveOrder, orderContent } from '../trust/index.ts'

/** What an order of one verb says. The room that obeys it defines it. */
export interface OrderKind<S> {
  readonly verb: OrderContent['verb']
  readonly id: z.ZodType<string>
  readonly content: z.ZodType<S>
  /** What a line in the log has of it, bounded. */
  fields(content: S): object
}

/** An order that was read. */
export interface Ordered<S> {
  readonly id: string
  readonly content: S
  readonly order: Order
  readonly issuedEpochMs: number
}

/** Sorts by time. Made where a request comes in, so that one which is sent on twice is one. */
export function newOrderId(now: number): string {
  return `${now.toString(36).padStart(9, '0')}-${randomBytes(5).toString('hex')}`
}

/** What an order says, whoever gave it; undefined unless it is of this kind and complete. */
export function readOrder<S>(
  kind: OrderKind<S>,
  order: Order,
  said: OrderContent | undefined = orderContent(order),
): Ordered<S> | undefined {
  if (said?.verb !== kind.verb) return undefined
  const id = kind.id.safeParse(said.subject)
  const content = kind.content.safeParse(said.content)
  if (!id.success || !content.success) return undefined
  return { id: id.data, content: content.data, order, issuedEpochMs: said.issuedEpochMs }
}

/** When an order is given now that must be later than the one before it about the same. */
export function laterThan(afterEpochMs: number, now: number): number {
  return Math.max(now, afterEpochMs + 1)
}

/** Signs an order with a credential that a user names; undefined when it is not an operator's. */
export function signOrder<S>(
  signer: SignsOrders,
  { verb }: OrderKind<S>,
  what: Pick<Ordered<S>, 'id' | 'content' | 'issuedEpochMs'>,
): Order | undefined {
  const { id, content, issuedEpochMs } = what
  return giveOrder(signer, { verb, subject: id, content, issuedEpochMs })
}
