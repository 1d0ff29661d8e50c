import { readFileSync } from 'node:fs'
import type { Clock } from '../base/clock.ts'
import { systemClock } from '../base/clock.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import { productVersion } from '../base/version.ts'
import type { SignatureKey, UpstreamAccess } from '../blob/index.ts'
import type { Config, UpstreamConfig } from '../config/index.ts'
import { ANY_UPSTREAM } from '../config/index.ts'
import { readSignatureKey } from '../oci/cosign.ts'
import type { OriginChain, OriginDeps, OriginPlace } from '../origin/index.ts'
import { createOriginMetrics, openOriginChain } from '../origin/index.ts'
import { AnyUpstream } from './any-upstream.ts'
import type { NodeDeps } from './node-deps.ts'

/** How long origins that are configured no more stay open for the reads that run on them. */
const RETIRE_AFTER_MS = 10 * 60_000

/** `hopName`: what this host calls itself to other Shoals. Throws `CONFIG_INVALID`. */
export function openUpstreams(config: Config, { logger, registry }: NodeDeps, hopName: string): LiveUpstreams {
  const log = logger.child({ component: 'origin' })
  return new LiveUpstreams(config, { logger: log, registry, clock: systemClock, version: productVersion(), hopName })
}

/** One upstream as the configuration has it. */
export interface UpstreamState {
  readonly name: string
  readonly access: UpstreamAccess['access']
  readonly origins: readonly OriginPlace[]
}

type LiveUpstreamsDeps = Omit<OriginDeps, 'metrics'> & { readonly clock: Clock; readonly registry: MetricRegistry }

/** The configured upstreams with their open origins, and the order in which they are searched; both can change. */
export class LiveUpstreams implements AsyncDisposable {
  readonly #deps: LiveUpstreamsDeps
  readonly #byName = new UpstreamTable(() => this.#any)
  #any: AnyUpstream | undefined
  readonly #search: string[] = []
  readonly #retired = new Set<OriginChain>()

  /** Throws `CONFIG_INVALID`. */
  constructor(config: Pick<Config, 'upstreams' | 'search'>, deps: LiveUpstreamsDeps) {
    this.#deps = deps
    for (const upstream of config.upstreams) this.#open(upstream)
    this.#search.push(...config.search)
  }

  /** Live: asked for every request. Its entries are the configured upstreams; `get` and `has` know what `*` stands for, too. */
  get byName(): ReadonlyMap<string, UpstreamAccess> {
    return this.#byName
  }

  /** Undefined also while too many registries are asked through `*`. */
  chain(upstream: string): OriginChain | undefined {
    return this.#byName.configured(upstream)?.chain ?? this.#any?.chain(upstream)
  }

  /** What is configured, and how its origins answered last: a few rows, whatever requests name. */
  get states(): readonly UpstreamState[] {
    const configured = [...this.#byName].map(([name, { access, chain }]) => ({ name, access, origins: chain.places }))
    if (this.#any === undefined) return configured
    return [...configured, { name: ANY_UPSTREAM, access: 'public', origins: this.#any.places }]
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
    if (name === ANY_UPSTREAM) return this.#changeAny(upstream)
    const before = this.#byName.configured(name)
    if (upstream === undefined) this.#byName.delete(name)
    else this.#open(upstream)
    if (before !== undefined) this.#retire(before.chain)
  }

  changeSearch(names: readonly string[]): void {
    this.#search.splice(0, this.#search.length, ...names)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const configured = [...this.#byName.values()].map(({ chain }) => chain)
    const open = [...configured, ...this.#retired]
    this.#retired.clear()
    await Promise.all([...open.map(close), this.#any?.[Symbol.asyncDispose]()])
  }

  #retire(chain: OriginChain): void {
    this.#retired.add(chain)
    this.#deps.clock.after(RETIRE_AFTER_MS, () => {
      if (this.#retired.delete(chain)) void close(chain)
    })
  }

  #changeAny(upstream: UpstreamConfig | undefined): void {
    this.#any?.retire()
    this.#any =
      upstream === undefined
        ? undefined
        : new AnyUpstream(upstream, {
            clock: this.#deps.clock,
            open: (named) => this.#chainOf(named, ANY_UPSTREAM),
            retire: (chain) => this.#retire(chain),
          })
  }

  /** `label`: what metrics call it. */
  #chainOf(upstream: UpstreamConfig, label: string): OriginChain {
    const { registry, ...deps } = this.#deps
    return openOriginChain(upstream, { ...deps, metrics: createOriginMetrics(registry, label) })
  }

  #open(upstream: UpstreamConfig): void {
    if (upstream.name === ANY_UPSTREAM) return this.#changeAny(upstream)
    const { name, access } = upstream
    const signatureKeys = readKeys(upstream)
    const chain = this.#chainOf(upstream, name)
    this.#byName.set(name, { access, chain, opened: chain, signatureKeys })
  }
}

/** The configured upstreams; whoever looks one up by name also finds those that `*` stands for. */
class UpstreamTable extends Map<string, UpstreamAccess> {
  readonly #any: () => AnyUpstream | undefined

  constructor(any: () => AnyUpstream | undefined) {
    super()
    this.#any = any
  }

  configured(name: string): UpstreamAccess | undefined {
    return super.get(name)
  }

  override has(name: string): boolean {
    return super.has(name) || this.#any()?.has(name) === true
  }

  /** Opens nothing until its chain is looked at, which throws `ORIGIN_UNREACHABLE` while too many others are in use. */
  override get(name: string): UpstreamAccess | undefined {
    const any = this.#any()
    const known = super.get(name)
    if (known !== undefined || any?.has(name) !== true) return known
    return {
      access: 'public',
      get opened() {
        return any.opened(name)
      },
      get chain() {
        const chain = any.chain(name)
        if (chain !== undefined) return chain
        throw new ShoalError('ORIGIN_UNREACHABLE', `${name}: too many other registries are asked through "*" just now`)
      },
    }
  }
}

/** Read when the upstream is opened. Throws `CONFIG_INVALID`. */
function readKeys({ signatures }: UpstreamConfig): readonly SignatureKey[] | undefined {
  return signatures?.keys.map((file) => ({ file, key: readSignatureKey(readText(file), file) }))
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ShoalError('CONFIG_INVALID', `${file}: cannot be read (${errorText(cause)})`, { cause })
  }
}

async function close(chain: OriginChain): Promise<void> {
  await chain[Symbol.asyncDispose]().catch(() => {})
}
