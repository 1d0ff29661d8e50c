import type { CallArguments, CallName, CallResults, ControlMessage, PeerLink, SwarmEvents } from '../swarm/index.ts'

/**
 * Stands between the swarm and the rooms above it, which can only be built once the swarm runs. Links that come up in
 * between are in the swarm's table; what they ask is refused until somebody can answer.
 */
export class SwarmHub implements SwarmEvents {
  #owner: SwarmEvents | undefined

  attach(owner: SwarmEvents): void {
    this.#owner = owner
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
    const starting = { kind: 'refused', reason: 'unavailable', message: 'this host is starting' } as const
    return this.#owner === undefined ? starting : this.#owner.call(link, name, args, signal)
  }
}
