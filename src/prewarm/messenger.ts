import { ShoalError } from '../base/errors.ts'
import type { PeerInfo, PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { PrewarmMessage } from './messages.ts'
import { encodeMessage, MAX_MESSAGE_BYTES } from './messages.ts'
import { prewarmProtocol } from './protocol.ts'
import type { RequestName, RequestOf, ResponseTo } from './requests.ts'
import { decodeResponse, encodeRequest } from './requests.ts'

/** Hosts in one message: it must fit whatever their names are. */
const ROSTER_PART = 1_000

type MessageOfKind<K extends PrewarmMessage['kind']> = Extract<PrewarmMessage, { kind: K }>

interface MessengerDeps {
  readonly swarm: Pick<Swarm, 'self' | 'links' | 'caches'>
  readonly tier: Pick<Tier, 'isCache'>
  /** Receives what this host sends to itself, as it receives what others send. */
  readonly deliver: (from: PeerInfo, message: PrewarmMessage) => void
}

/** Sends messages to linked hosts, and to this one; what cannot be sent is dropped: everything is said again. */
export class Messenger {
  readonly #deps: MessengerDeps

  constructor(deps: MessengerDeps) {
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
  send(to: string, message: PrewarmMessage, body?: Uint8Array): boolean {
    const { swarm, deliver } = this.#deps
    if (to === swarm.self.key) {
      // not within the sender's own turn, as with others
      queueMicrotask(() => deliver(swarm.self, message))
      return true
    }
    const link = swarm.links.get(to)
    const bytes = body ?? encodeMessage(message)
    if (link === undefined || bytes.length > MAX_MESSAGE_BYTES) return false
    link.send(prewarmProtocol.letter, { body: bytes })
    return true
  }

  /** Hosts of a job in their order, from place `first` on, in as many messages as it takes; one also for none. */
  sendRoster(peers: readonly PeerInfo[], { job, first, hosts }: Omit<MessageOfKind<'roster'>, 'kind'>): void {
    for (let at = 0; at === 0 || at < hosts.length; at += ROSTER_PART) {
      const part = hosts.slice(at, at + ROSTER_PART)
      for (const { key } of peers) this.send(key, { kind: 'roster', job, first: first + at, hosts: part })
    }
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
  async ask<N extends RequestName>(link: PeerLink, request: RequestOf<N>, signal: AbortSignal): Promise<ResponseTo<N>> {
    const body = encodeRequest({ ...request, hops: request.hops + 1 })
    if (body.length > MAX_MESSAGE_BYTES)
      throw new ShoalError('PREWARM_IMPOSSIBLE', 'the job is too large to be sent on')
    const result = await link.request(prewarmProtocol.prewarm, { body }, signal)
    if (result.kind === 'refused') throw new ShoalError('UNAVAILABLE', result.message)
    return decodeResponse(request.name, result.body)
  }
}
