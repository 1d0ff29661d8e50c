import { refused } from '../base/outcome.ts'
import type { Handlers, PeerLink, Protocol, Response, SwarmEvents } from '../swarm/index.ts'
import { Dispatcher } from '../swarm/index.ts'

/** What peers may say before anybody listens: more than a whole region's hosts do when their cache restarts. */
const MAX_EARLY_BYTES = 64 * 1024 * 1024
/** What an event costs at least. */
const EVENT_BYTES = 256

const ABSENT = refused('unavailable', 'this host is starting or stopping')

/** What the rooms do with what peers say. */
interface Owner<P extends Protocol> {
  linked(link: PeerLink): void
  unlinked(link: PeerLink): void
  /** One for everything that the host's links carry. */
  readonly handlers: Handlers<P>
}

/**
 * Stands between the swarm and the rooms above it, which can only be built once the swarm runs. What peers ask is refused
 * until somebody can answer, and again once the rooms close; what they tell until then is kept and passed on in its
 * order: some things are said only once on a new link.
 */
export class SwarmHub<P extends Protocol> implements SwarmEvents {
  #owner: SwarmEvents | undefined
  #early: ((owner: SwarmEvents) => void)[] | undefined = []
  #earlyBytes = 0

  attach({ linked, unlinked, handlers }: Owner<P>): void {
    const dispatcher = new Dispatcher<P>(handlers)
    const owner: SwarmEvents = {
      linked,
      unlinked,
      message: (link, name, body) => dispatcher.message(link, name, body),
      request: (link, name, body, signal) => dispatcher.request(link, name, body, signal),
    }
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

  message(link: PeerLink, name: string, body: unknown): void {
    if (this.#owner !== undefined) return this.#owner.message(link, name, body)
    this.#tell(EVENT_BYTES + bytesIn(body), (owner) => owner.message(link, name, body))
  }

  async request(link: PeerLink, name: string, body: unknown, signal: AbortSignal): Promise<Response> {
    return this.#owner === undefined ? ABSENT : this.#owner.request(link, name, body, signal)
  }

  #tell(bytes: number, event: (owner: SwarmEvents) => void): void {
    if (this.#owner !== undefined) return event(this.#owner)
    if (this.#early === undefined || this.#earlyBytes + bytes > MAX_EARLY_BYTES) return
    this.#earlyBytes += bytes
    this.#early.push(event)
  }
}

/** The byte strings in a message: all else is bounded by what is kept beside them. */
function bytesIn(value: unknown): number {
  if (value instanceof Uint8Array) return value.length
  if (typeof value !== 'object' || value === null) return 0
  return Object.values(value).reduce<number>((sum, inner) => sum + bytesIn(inner), 0)
}
