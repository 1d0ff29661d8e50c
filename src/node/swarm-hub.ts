import type { CallArguments, CallName, CallResults, ContentMessage, PeerLink, SwarmEvents } from '../swarm/index.ts'

/** What peers may say before anybody listens: more than a whole region's hosts do when their cache restarts. */
const MAX_EARLY_BYTES = 64 * 1024 * 1024
/** What an event costs at least. */
const EVENT_BYTES = 256

/**
 * Stands between the swarm and the rooms above it, which can only be built once the swarm runs. What peers ask is refused
 * until somebody can answer, and again once the rooms close; what they tell until then is kept and passed on in its
 * order: some things are said only once on a new link.
 */
export class SwarmHub implements SwarmEvents {
  #owner: SwarmEvents | undefined
  #early: ((owner: SwarmEvents) => void)[] | undefined = []
  #earlyBytes = 0

  attach(owner: SwarmEvents): void {
    this.#owner = owner
    const early = this.#early ?? []
    this.#early = undefined
    for (const tell of early) tell(owner)
  }

  detach(): void {
    this.#owner = undefined
  }

  linked(link: PeerLink): void {
    this.#tell(EVENT_BYTES, (owner) => owner.linked(link))
  }

  unlinked(link: PeerLink): void {
    this.#tell(EVENT_BYTES, (owner) => owner.unlinked(link))
  }

  message(link: PeerLink, message: ContentMessage): void {
    const bytes = EVENT_BYTES + (message.type === 'letter' ? message.body.length : 0)
    this.#tell(bytes, (owner) => owner.message(link, message))
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

  #tell(bytes: number, event: (owner: SwarmEvents) => void): void {
    if (this.#owner !== undefined) return event(this.#owner)
    if (this.#early === undefined || this.#earlyBytes + bytes > MAX_EARLY_BYTES) return
    this.#earlyBytes += bytes
    this.#early.push(event)
  }
}
