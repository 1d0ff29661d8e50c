import type { Clock } from '../base/clock.ts'
import type { UpstreamConfig } from '../config/index.ts'
import type { OriginChain, OriginPlace } from '../origin/index.ts'
import { isPublicRegistryName, originsOfAny } from '../origin/index.ts'

/** Registries that are open at once. */
export const MOST_OPEN = 64
/** One that was asked for within this time is not closed for another. */
const IDLE_MS = 60_000

interface Open {
  readonly chain: OriginChain
  usedAt: number
}

interface AnyUpstreamDeps {
  readonly clock: Clock
  readonly open: (upstream: UpstreamConfig) => OriginChain
  /** Takes over what is asked no more, but may still be read from. */
  readonly retire: (chain: OriginChain) => void
}

/**
 * The upstream `*`: public registries that nobody has configured, opened as requests name them. Whoever can ask this host
 * can name any: so they are few at once, in no label of a metric, and without any right of this host's.
 */
export class AnyUpstream implements AsyncDisposable {
  readonly #config: UpstreamConfig
  readonly #deps: AnyUpstreamDeps
  /** Those asked for longest ago first. */
  readonly #open = new Map<string, Open>()

  constructor(config: UpstreamConfig, deps: AnyUpstreamDeps) {
    this.#config = config
    this.#deps = deps
  }

  has(upstream: string): boolean {
    return isPublicRegistryName(upstream)
  }

  /** Undefined for what is no public registry's name, and while too many others are in use. */
  chain(upstream: string): OriginChain | undefined {
    const known = this.#open.get(upstream)
    const chain = known?.chain ?? this.#make(upstream)
    if (chain === undefined) return undefined
    this.#open.delete(upstream)
    this.#open.set(upstream, { chain, usedAt: this.#deps.clock.now() })
    return chain
  }

  /** Undefined for what is not open. */
  opened(upstream: string): OriginChain | undefined {
    return this.#open.get(upstream)?.chain
  }

  /** The origins of all that are open. */
  get places(): readonly OriginPlace[] {
    return [...this.#open.values()].flatMap(({ chain }) => chain.places)
  }

  retire(): void {
    for (const { chain } of this.#open.values()) this.#deps.retire(chain)
    this.#open.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#open.values()]
    this.#open.clear()
    await Promise.all(all.map(({ chain }) => chain[Symbol.asyncDispose]().catch(() => {})))
  }

  #make(upstream: string): OriginChain | undefined {
    if (!this.has(upstream) || !this.#makeRoom()) return undefined
    const { open } = this.#deps
    return open({ name: upstream, access: 'public', origins: originsOfAny(this.#config.origins, upstream) })
  }

  #makeRoom(): boolean {
    const [longest] = this.#open
    if (longest === undefined || this.#open.size < MOST_OPEN) return true
    const [name, { chain, usedAt }] = longest
    if (this.#deps.clock.now() - usedAt < IDLE_MS) return false
    this.#open.delete(name)
    this.#deps.retire(chain)
    return true
  }
}
