import { ShoalError } from '../base/errors.ts'
import type { PeerInfo, PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import { decodeResponse, encodeMessage, encodeRequest } from './codec.ts'
import { ordersProtocol } from './protocol.ts'
import type { MessageOf, MessageTable, NameOf, RequestOf, RequestTable, ResponseTo } from './words.ts'
import { MAX_MESSAGE_BYTES } from './words.ts'

interface MessengerDeps<M extends MessageTable, R extends RequestTable> {
  readonly swarm: Pick<Swarm, 'self' | 'links' | 'caches'>
  readonly tier: Pick<Tier, 'isCache'>
  readonly requests: R
  /** Receives what this host sends to itself, as it receives what others send. */
  readonly receiver: { deliver(from: PeerInfo, message: MessageOf<M>): void }
}

/**
 * Sends one room's messages to linked hosts, and to this one; what cannot be sent is dropped: everything is said again.
 * Asks linked hosts its requests.
 */
export class Messenger<M extends MessageTable, R extends RequestTable> {
  readonly #deps: MessengerDeps<M, R>

  constructor(deps: MessengerDeps<M, R>) {
    this.#deps = deps
  }

  get self(): PeerInfo {
    return this.#deps.swarm.self
  }

  reaches(key: string): boolean {
    return key === this.self.key || this.#deps.swarm.links.has(key)
  }

  linkTo(key: string): PeerLink | undefined {
    return this.#deps.swarm.links.get(key)
  }

  /** `body` is the message's encoding, when many get the same. Returns whether there was a way. */
  send(to: string, message: MessageOf<M>, body?: Uint8Array): boolean {
    const { swarm, receiver } = this.#deps
    if (to === swarm.self.key) {
      // not within the sender's own turn, as with others
      queueMicrotask(() => receiver.deliver(swarm.self, message))
      return true
    }
    const link = swarm.links.get(to)
    const bytes = body ?? encodeMessage(message)
    if (link === undefined || bytes.length > MAX_MESSAGE_BYTES) return false
    link.send(ordersProtocol.letter, { body: bytes })
    return true
  }

  /** Linked peers that `fits`. */
  peers(fits: (peer: PeerInfo) => boolean): PeerLink[] {
    return [...this.#deps.swarm.links.values()].filter(({ peer }) => fits(peer))
  }

  /** Linked caches that `fits`. */
  caches(fits: (peer: PeerInfo) => boolean): PeerLink[] {
    const { swarm, tier } = this.#deps
    return [...swarm.caches.values()].filter(({ peer }) => tier.isCache(peer) && fits(peer))
  }

  /** Asks a linked host. Throws what it answers with, `PEER_GONE`, or `UNAVAILABLE`. */
  async ask<N extends NameOf<R>>(
    link: PeerLink,
    { name, hops, ask }: RequestOf<R, N>,
    signal: AbortSignal,
  ): Promise<ResponseTo<R, N>> {
    const body = encodeRequest({ name, hops: hops + 1, ask })
    if (body.length > MAX_MESSAGE_BYTES) {
      throw new ShoalError('PREWARM_IMPOSSIBLE', 'the job is too large to be sent on')
    }
    const result = await link.request(ordersProtocol.prewarm, { body }, signal)
    if (result.kind === 'refused') throw new ShoalError('UNAVAILABLE', result.message)
    return decodeResponse(this.#deps.requests, name, result.body)
  }
}
