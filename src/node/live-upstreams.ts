import type { Clock } from '../base/clock.ts'
import type { UpstreamAccess } from '../blob/index.ts'
import type { Config, UpstreamConfig } from '../config/index.ts'
import type { OriginDeps } from '../origin/index.ts'
import { openOriginChain } from '../origin/index.ts'

/** How long origins that are configured no more stay open for the reads that run on them. */
const RETIRE_AFTER_MS = 10 * 60_000

/** The configured upstreams with their open origins, and the order in which they are searched; both can change. */
export class LiveUpstreams implements AsyncDisposable {
  readonly #deps: OriginDeps & { readonly clock: Clock }
  readonly #byName = new Map<string, UpstreamAccess>()
  readonly #search: string[] = []
  readonly #retired = new Set<UpstreamAccess>()

  /** Throws `CONFIG_INVALID`. */
  constructor(config: Pick<Config, 'upstreams' | 'search'>, deps: OriginDeps & { readonly clock: Clock }) {
    this.#deps = deps
    for (const upstream of config.upstreams) this.#open(upstream)
    this.#search.push(...config.search)
  }

  /** Live: asked for every request. */
  get byName(): ReadonlyMap<string, UpstreamAccess> {
    return this.#byName
  }

  /** Live, as above. */
  get search(): readonly string[] {
    return this.#search
  }

  /** What a name without a registry means. */
  get first(): string {
    return this.#search[0] ?? 'docker.io'
  }

  /** Opens an upstream anew with what it says now; undefined takes it away. Throws `CONFIG_INVALID`, then all is as before. */
  change(name: string, upstream: UpstreamConfig | undefined): void {
    const before = this.#byName.get(name)
    if (upstream === undefined) this.#byName.delete(name)
    else this.#open(upstream)
    if (before === undefined) return
    this.#retired.add(before)
    this.#deps.clock.after(RETIRE_AFTER_MS, () => {
      if (this.#retired.delete(before)) void close(before)
    })
  }

  changeSearch(names: readonly string[]): void {
    this.#search.splice(0, this.#search.length, ...names)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = [...this.#byName.values(), ...this.#retired]
    this.#retired.clear()
    await Promise.all(open.map(close))
  }

  #open(upstream: UpstreamConfig): void {
    this.#byName.set(upstream.name, { access: upstream.access, chain: openOriginChain(upstream, this.#deps) })
  }
}

async function close({ chain }: UpstreamAccess): Promise<void> {
  await chain[Symbol.asyncDispose]().catch(() => {})
}
