import { z } from 'zod'
import type { Shape } from '../base/shape.ts'
import type { PeerLink } from '../swarm/index.ts'
import type { Order } from '../trust/index.ts'
import { orderSchema } from '../trust/index.ts'
import type { Ordered, OrderKind } from './order-kind.ts'
import { orderId } from './shapes.ts'

/*
 * What a room has hosts tell each other: tables of its messages and requests, by the names that they have on the wire. The
 * compiler reads from them what each carries, and that there is a responder for every request.
 */

/** By proven role and region. `near`: any host of this region; `upperCache`: a cache of this region or of one above it. */
export type Sender = 'member' | 'near' | 'nearCache' | 'upperCache' | 'cache'

/** From whom something is taken, and how long it may be. */
export interface Right {
  readonly from: Sender
  readonly maxBytes: number
}

/** What the wire carries; a link that was sent more would end. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024
/** What says little. */
export const SHORT_BYTES = 1024
/** An order, and beside it what it says for versions that know none. */
export const ORDER_BYTES = 384 * 1024

/** One-way. */
export type MessageTable = Readonly<Record<string, Right & { readonly body: z.ZodType }>>

/** What a request asks that acts on the fleet: anybody may pass it on, and the order in it alone counts. */
export const ordering = z.object({ id: orderId, order: orderSchema.optional() })
interface Ordering {
  readonly id: string
  readonly order?: Order | undefined
}

type RequestRow = Right & { readonly response: z.ZodType } & (
    | { readonly ask: z.ZodType; readonly order?: never }
    | { readonly ask: z.ZodType<Ordering>; readonly order: OrderKind<unknown> }
  )

/** Two-way. */
export type RequestTable = Readonly<Record<string, RequestRow>>

export type NameOf<T> = keyof T & string
export type MessageOf<T extends MessageTable> = {
  [K in NameOf<T>]: { readonly kind: K } & Shape<T[K]['body']>
}[NameOf<T>]
export type AskOf<T extends RequestTable, N extends NameOf<T>> = Shape<T[N]['ask']>
export type ResponseTo<T extends RequestTable, N extends NameOf<T>> = Shape<T[N]['response']>

/** A request with its way so far: after too many hosts it goes in a circle. */
export interface RequestOf<T extends RequestTable, N extends NameOf<T>> {
  readonly name: N
  readonly hops: number
  readonly ask: AskOf<T, N>
}

/** A request of one name or another. */
export type AnyRequest<T extends RequestTable> = { [N in NameOf<T>]: RequestOf<T, N> }[NameOf<T>]

/** A request as it is responded to. */
export interface Call<T extends RequestTable, N extends NameOf<T>> extends RequestOf<T, N> {
  /** What its order says, proven and new, where it is one that acts. */
  readonly ordered: T[N] extends { readonly order: OrderKind<infer S> } ? Ordered<S> : undefined
  /** Who asks; undefined = this host, for its own users. */
  readonly link: PeerLink | undefined
}

export type Responders<T extends RequestTable, N extends NameOf<T> = NameOf<T>> = {
  readonly [K in N]: (call: Call<T, K>, signal: AbortSignal) => Promise<ResponseTo<T, K>>
}
