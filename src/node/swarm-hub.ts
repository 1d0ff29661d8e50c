import type { CallArguments, CallName, CallResults, ControlMessage, PeerLink, SwarmEvents } from '../swarm/index.ts'

/**
 * Stands between the swarm and the rooms above it, which can only be built once the swarm runs. Links that come up in
 * between are in the swarm's table; what they ask is refused until somebody can answer, and again once the rooms close.
 */
export class SwarmHub implements SwarmEvents {
  #owner: SwarmEvents | undefined

  attach(owner: SwarmEvents): void {
    this.#owner = owner
  }

  detach(): void {
    this.#owner = undefined
  }

  linked(link: PeerLink): void {
    this.#owner?.linked(link)
  }

  unlinked(link: PeerLink): void {
    this.#owner?.unlinked(link)
  }

  message(link: PeerLink, message: ControlMessage): void {
    this.#owner?.message(link, message)
  }

  async call<N extends CallName>(
    link: PeerLink,
    name: N,
    args: CallArguments[N],
    signal: AbortSignal,
  ): Promise<CallResults[N]> {
    const absent = { kind: 'refused', reason: 'unavailable', message: 'this host is starting or stopping' } as const
    return this.#owner === undefined ? absent : this.#owner.call(link, name, args, signal)
  }
}
