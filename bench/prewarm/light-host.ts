import { join } from 'node:path'
import { sleep } from '../../src/base/abort.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { noMetrics } from '../../src/base/metrics.ts'
import type { Config } from '../../src/config/index.ts'
import { defaultConfig } from '../../src/config/index.ts'
import type { Host } from '../../src/node/index.ts'
import { LogLevel, openHost } from '../../src/node/index.ts'
import type { LightStore } from './light-store.ts'

/** Nobody listens there. A host that loses its cache dials its neighbours; here all of them would do so on one machine. */
const NOWHERE = '127.0.0.1:9'
const LINK_TIMEOUT_MS = 120_000
const LOOK_EVERY_MS = 50

export interface LightHostOptions {
  readonly number: number
  readonly region: string
  /** Of the fleet's key. */
  readonly keyFile: string
  /** `host:port`. */
  readonly cache: string
  /** For its identity. */
  readonly directory: string
}

/**
 * The daemon without what a pull would need: no servers, no disk (LightStore), no origin. What the cache hears and says is
 * what it would be with a whole agent.
 */
export class LightHost implements AsyncDisposable {
  readonly #host: Host
  readonly #store: LightStore
  readonly #stack: AsyncDisposableStack

  private constructor(host: Host, store: LightStore, stack: AsyncDisposableStack) {
    this.#host = host
    this.#store = store
    this.#stack = stack
  }

  /** Resolves when it is linked to the cache, or has found that it cannot be. */
  static async start(options: LightHostOptions, store: LightStore): Promise<LightHost> {
    await using stack = new AsyncDisposableStack()
    const clock = systemClock
    const registry = { ...noMetrics, contentType: 'text/plain', text: async () => '' }
    const deps = { logger: silentLogger, registry, logs: new LogLevel('silent', clock), store }
    const host = await openHost(configOf(options), deps, () => NOWHERE, stack)
    const { links } = host.ground.swarm
    // a cache that is busy with others' handshakes is dialled again, as a daemon does
    const deadlineMs = clock.now() + LINK_TIMEOUT_MS
    while (links.size === 0 && clock.now() < deadlineMs) await sleep(clock, LOOK_EVERY_MS)
    return new LightHost(host, store, stack.move())
  }

  get linked(): boolean {
    return this.#host.ground.swarm.links.size > 0
  }

  /** Blobs and manifests that it has. */
  get blobs(): number {
    return this.#store.count
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

function configOf({ number, region, keyFile, cache, directory }: LightHostOptions): Config {
  const { fleet, peer, store, tier, ...rest } = defaultConfig(directory)
  return {
    ...rest,
    fleet: { ...fleet, keyFile },
    peer: { ...peer, listen: { host: '127.0.0.1', port: 0 }, announce: [NOWHERE] },
    store: { ...store, path: join(directory, `host-${number}`), minFreeBytes: 0 },
    tier: { ...tier, region, caches: [cache] },
  }
}
