import type { PeerAddress, PeerLink, Swarm } from '../swarm/index.ts'
import type { KnownHosts } from './known-hosts.ts'
import type { Located } from './located.ts'

interface IntroductionsDeps {
  readonly swarm: Pick<Swarm, 'links'>
  readonly located: Located
  readonly knownHosts: Pick<KnownHosts, 'record' | 'believed'>
}

/** Hosts that this one introduces to others, and those that others introduce to it: where they are proves itself, or counts for nothing. */
export class Introductions {
  readonly #deps: IntroductionsDeps

  constructor(deps: IntroductionsDeps) {
    this.#deps = deps
  }

  /** Resolves when it is known where the peer can be dialled, or soon. Rejects with the signal's reason. */
  async ready(link: PeerLink, signal: AbortSignal): Promise<void> {
    await this.#deps.located.ready(link, signal)
  }

  /** How this host introduces a peer to others: at addresses that are its own. Undefined when it knows none. */
  of(link: PeerLink): PeerAddress | undefined {
    const { located, knownHosts } = this.#deps
    const { key } = link.peer
    const known = knownHosts.record(key)
    if (known?.proof !== undefined) return known
    const addresses = located.of(link)
    return addresses.length === 0 ? undefined : { key, addresses }
  }

  /** Those of the hosts that a peer introduces which may be dialled. */
  believed(from: PeerLink, peers: readonly PeerAddress[]): PeerAddress[] {
    const { swarm, knownHosts } = this.#deps
    const isLinked = ({ key }: PeerAddress): boolean => swarm.links.has(key)
    return [
      ...peers.filter(isLinked),
      ...knownHosts.believed(
        from,
        peers.filter((peer) => !isLinked(peer)),
      ),
    ]
  }
}
