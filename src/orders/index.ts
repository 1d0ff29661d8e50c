/*
 * Orders: how what acts on the whole fleet is asked for, proven and passed on. Prewarm and purges are written in its words.
 *
 *   order-kind, orders           what may be ordered, as a room defines it; who may order it
 *   words, shapes, codec         what a room's messages and requests are, by its tables; how they are written (protocol: over links)
 *   exchange                     a room's part of it, put together:
 *                                messenger (sends), receiver (reads, by message-rights), cache-routes (which caches are asked)
 *   refusals                     what there is to say when it cannot be
 */
export type { CacheRoutes } from './cache-routes.ts'
export { homeKeyOf } from './cache-routes.ts'
export { encodeMessage } from './codec.ts'
export type { Exchange } from './exchange.ts'
export { openExchange } from './exchange.ts'
export type { Messenger } from './messenger.ts'
export type { Ordered, OrderKind } from './order-kind.ts'
export { laterThan, newOrderId, readOrder, signOrder } from './order-kind.ts'
export type { HandedOn } from './orders.ts'
export { Orders } from './orders.ts'
export { ordersProtocol } from './protocol.ts'
export { receivedBy } from './receiver.ts'
export { impossible, unanswered } from './refusals.ts'
export { count, epochMs, MAX_HOSTS, orderId, peerKey, region, text } from './shapes.ts'
export type { AnyRequest, AskOf, Call, MessageOf, Responders, ResponseTo } from './words.ts'
export { MAX_MESSAGE_BYTES, ORDER_BYTES, ordering, SHORT_BYTES } from './words.ts'
