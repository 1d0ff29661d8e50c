import type { Config } from '../config/index.ts'
import type { MirrorServer } from '../registry/index.ts'
import type { Tier } from '../tier/index.ts'
import type { LiveConfig, ReloadReport } from './live-config.ts'
import type { NodeDeps } from './node-deps.ts'
import type { NodeStatusSource } from './node-status.ts'
import { openHost } from './open-host.ts'
import type { Addresses, Servers } from './open-servers.ts'
import { openServers, peerAddress } from './open-servers.ts'
import { openTracing } from './open-tracing.ts'

/** Readiness does not wait longer than this for the caches: without them the host works, only worse. */
const TIER_SETTLE_MS = 5_000

/** A running host: every room, built from the ground up and closed from the top down. */
export class ShoalNode implements AsyncDisposable {
  readonly addresses: Readonly<Addresses & { peer: string }>
  readonly #mirror: MirrorServer
  readonly #status: NodeStatusSource
  readonly #live: LiveConfig
  readonly #stack: AsyncDisposableStack

  private constructor(
    { mirror, status }: Servers,
    live: LiveConfig,
    addresses: ShoalNode['addresses'],
    stack: AsyncDisposableStack,
  ) {
    this.#mirror = mirror
    this.#status = status
    this.#live = live
    this.addresses = addresses
    this.#stack = stack
  }

  /** Builds and starts everything; resolves when pulls are served. Throws `CONFIG_INVALID`, `STORE_FAILED`. */
  static async start(config: Config, deps: NodeDeps): Promise<ShoalNode> {
    await using stack = new AsyncDisposableStack()
    const traced = { ...deps, tracer: deps.tracer ?? (await openTracing(config, process.env, stack)) }
    const addresses: Addresses = { mirror: '', admin: '' }
    const host = await openHost(config, traced, () => addresses.mirror, stack)
    const { ground, work } = host
    const servers = await openServers(config, traced, { ...host, addresses }, stack)
    const reached = { ...addresses, peer: peerAddress(config, ground.swarm) }
    const node = new ShoalNode(servers, ground.settings, reached, stack.move())
    await node.#settle(ground.tier)
    work.watch.settled()
    return node
  }

  /** Takes up what can be taken up of a configuration while the host runs. Throws `CONFIG_INVALID`. */
  reload(config: Config): Promise<ReloadReport> {
    return this.#live.apply(config)
  }

  /** Takes no new pulls and resolves when the running ones have ended. */
  async drain(): Promise<void> {
    this.#status.setNotReady('stopping')
    await this.#mirror.drain()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#status.setNotReady('stopping')
    await this.#stack.disposeAsync()
  }

  async #settle(tier: Tier): Promise<void> {
    const limit = AbortSignal.timeout(TIER_SETTLE_MS)
    // not knowing the tier yet is no reason to refuse pulls
    await tier.settled(limit).catch(() => {})
    this.#status.setNotReady(undefined)
  }
}
