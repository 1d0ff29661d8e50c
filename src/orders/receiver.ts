import { isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Refusal } from '../base/outcome.ts'
import { refused } from '../base/outcome.ts'
import type { Handlers, PeerInfo, PeerLink, ResponseTo as Reply } from '../swarm/index.ts'
import type { Order } from '../trust/index.ts'
import { decodeMessage, decodeRequest, encodeResponse } from './codec.ts'
import type { Here } from './message-rights.ts'
import { messageVerdict, requestVerdict } from './message-rights.ts'
import type { Ordered } from './order-kind.ts'
import type { Orders } from './orders.ts'
import type { ordersProtocol } from './protocol.ts'
import type {
  AnyRequest,
  Call,
  MessageOf,
  MessageTable,
  NameOf,
  RequestOf,
  RequestTable,
  Responders,
  ResponseTo,
} from './words.ts'

/** A part of a room that hears all of its messages. */
interface Listener<M extends MessageTable> {
  message(from: PeerInfo, message: MessageOf<M>): void
}

export interface ReceiverDeps<M extends MessageTable, R extends RequestTable> {
  readonly messages: M
  readonly requests: R
  readonly here: Here
  readonly logger: Logger
  readonly orders: Pick<Orders, 'check' | 'note'>
  /** Whether a peer has asked for too much; looked at before a request is responded to. */
  readonly refuses?: ((link: PeerLink, request: AnyRequest<R>) => Refusal | undefined) | undefined
}

/** The parts of a room that hear and respond; they in turn send, so that they come later. */
interface Parts<M extends MessageTable, R extends RequestTable> {
  readonly listeners: readonly Listener<M>[]
  /** Those that this host has. */
  readonly responders: Partial<Responders<R>>
}

type Body = Uint8Array
type Response = Reply<typeof ordersProtocol.prewarm>

/** Reads what peers say and ask of one room: by whom it may be said, then what it says, then that its order counts. */
export class Receiver<M extends MessageTable, R extends RequestTable> {
  readonly #deps: ReceiverDeps<M, R>
  #parts: Parts<M, R> = { listeners: [], responders: {} }

  constructor(deps: ReceiverDeps<M, R>) {
    this.#deps = deps
  }

  /** To be called before anything is received. */
  attach(parts: Parts<M, R>): void {
    this.#parts = parts
  }

  /** Whether this room's messages have this name at their head; then it is taken, or dropped with a line in the log. */
  takes({ peer }: PeerLink, body: Body): boolean {
    const { messages, here, logger } = this.#deps
    const verdict = messageVerdict(messages, body, peer, here)
    const message = verdict === 'taken' ? decodeMessage(messages, body) : undefined
    if (message !== undefined) this.deliver(peer, message)
    else if (verdict === 'refused') {
      logger.warn({ peer: peer.key }, 'a message that this peer may not send was dropped')
    }
    return message !== undefined || verdict === 'refused'
  }

  deliver(from: PeerInfo, message: MessageOf<M>): void {
    for (const listener of this.#parts.listeners) listener.message(from, message)
  }

  /** Undefined for what is no request of this room. Never rejects: what goes wrong is in the response. */
  async answer(link: PeerLink, body: Body, signal: AbortSignal): Promise<Response | undefined> {
    const { requests, here, logger, refuses } = this.#deps
    if (requestVerdict(requests, body, link.peer, here) === 'refused') {
      return refused('denied', 'this request is not for this peer to make')
    }
    const request = decodeRequest(requests, body)
    if (request === undefined) return undefined
    const refusal = refuses?.(link, request)
    if (refusal !== undefined) return refusal
    try {
      return { kind: 'prewarm', body: encodeResponse({ value: await this.respond(request, link, signal) }) }
    } catch (error) {
      if (!isShoalError(error)) logger.warn({ err: error, request: request.name }, 'a request failed')
      return { kind: 'prewarm', body: encodeResponse({ error }) }
    }
  }

  /** Responds to a request of `link`; undefined = this host's own. Throws what goes wrong. */
  async respond<N extends NameOf<R>>(
    request: RequestOf<R, N>,
    link: PeerLink | undefined,
    signal: AbortSignal,
  ): Promise<ResponseTo<R, N>> {
    const { requests, orders } = this.#deps
    const responder = this.#parts.responders[request.name]
    if (responder === undefined) throw new ShoalError('UNAVAILABLE', 'this host is no cache')
    const kind = requests[request.name]!.order
    const ordered = kind === undefined ? undefined : aboutIt(request.ask, (order) => orders.check(kind, order))
    // its order, if its row in the table has one
    const call = { ...request, ordered, link } as Call<R, N>
    const response = await responder(call, signal)
    if (kind !== undefined && ordered !== undefined && link !== undefined) orders.note(kind, ordered, link)
    return response
  }
}

/** What the link of a host hands to those of its rooms that act on the fleet. */
export function receivedBy(
  receivers: readonly Pick<Receiver<MessageTable, RequestTable>, 'takes' | 'answer'>[],
  logger: Logger,
): Handlers<typeof ordersProtocol> {
  return {
    letter: (link, { body }) => {
      if (receivers.some((one) => one.takes(link, body))) return
      // a later version may send it
      logger.warn({ peer: link.peer.key }, 'a message of no kind that is known was dropped')
    },
    prewarm: async (link, { body }, signal) => {
      for (const receiver of receivers) {
        const response = await receiver.answer(link, body, signal)
        if (response !== undefined) return response
      }
      return refused('unavailable', 'not a request of this version')
    },
  }
}

/** The order of a request that acts, which must be about what the request names. */
function aboutIt(ask: unknown, check: (order: Order | undefined) => Ordered<unknown>): Ordered<unknown> {
  // the table has an order for those requests alone that ask with one
  const { id, order } = ask as { readonly id: string; readonly order?: Order }
  const ordered = check(order)
  if (ordered.id === id) return ordered
  throw new ShoalError('PREWARM_INVALID', `the order is about ${ordered.id}, not ${id}`)
}
