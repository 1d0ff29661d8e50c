import { lookup } from 'node:dns/promises'
import { join } from 'node:path'
import { sleep } from '../../src/base/abort.ts'
import { systemClock } from '../../src/base/clock.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/log.ts'
import { noMetrics } from '../../src/base/metrics.ts'
import { refused } from '../../src/base/outcome.ts'
import { RateLimiter } from '../../src/base/rate-limiter.ts'
import { seededRng } from '../../src/base/rng.ts'
import { blobRequests } from '../../src/blob/index.ts'
import { SwarmHub } from '../../src/node/swarm-hub.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { DOCKER_HUB } from '../../src/oci/reference.ts'
import type { ImageSource } from '../../src/pins/index.ts'
import { Prewarm, prewarmProtocol } from '../../src/prewarm/index.ts'
import type { FleetKey, Granted } from '../../src/swarm/index.ts'
import { Libp2pSwarm } from '../../src/swarm/index.ts'
import type { Climb } from '../../src/tier/index.ts'
import { Ladder, requestOf, Tier } from '../../src/tier/index.ts'
import { Transfers, transferMessages } from '../../src/transfer/index.ts'
import type { LightStore } from './light-store.ts'

/** It is asked for nothing but its part in jobs. */
const PROTOCOL = { ...transferMessages, ...prewarmProtocol }

const FREE_BYTES = 2 ** 40
/** Nobody listens there. A host that loses its cache dials its neighbours; here all of them would do so on one machine. */
const NOWHERE = '127.0.0.1:9'
const GRACE_MS = 3_000
const LINK_TIMEOUT_MS = 120_000
const LOOK_EVERY_MS = 50

export interface LightHostOptions {
  readonly number: number
  readonly region: string
  readonly fleetKey: FleetKey
  /** `host:port`. */
  readonly cache: string
  /** For its identity. */
  readonly directory: string
}

/**
 * A host with the daemon's own link, tier, transfers and prewarm, and without what a pull would need: no mirror, no
 * disk (LightStore), no origin. What the cache hears and says is what it would be with a whole agent.
 */
export class LightHost implements AsyncDisposable {
  readonly #swarm: Libp2pSwarm
  readonly #store: LightStore
  readonly #stack: AsyncDisposableStack

  private constructor(swarm: Libp2pSwarm, store: LightStore, stack: AsyncDisposableStack) {
    this.#swarm = swarm
    this.#store = store
    this.#stack = stack
  }

  /** Resolves when it is linked to the cache, or has found that it cannot be. */
  static async start(options: LightHostOptions, store: LightStore): Promise<LightHost> {
    await using stack = new AsyncDisposableStack()
    const { number, region, fleetKey, cache, directory } = options
    const hub = new SwarmHub<typeof PROTOCOL>()
    const clock = systemClock
    const logger = silentLogger
    const identityPath = join(directory, `identity-${number}`)
    const swarm = stack.use(
      await Libp2pSwarm.start(
        {
          listen: { host: '127.0.0.1', port: 0 },
          announce: [NOWHERE],
          role: 'agent',
          region,
          zone: null,
          fleetKey,
          identityPath,
        },
        { events: hub, protocol: PROTOCOL, clock, logger, metrics: noMetrics },
      ),
    )
    const tier = stack.use(
      Tier.start(
        { caches: [cache], parents: [], graceMs: GRACE_MS },
        { swarm, clock, logger, rng: seededRng(number), lookup: lookupAll },
      ),
    )
    const unlimited = new RateLimiter(clock, 0)
    const limits = { upload: unlimited, download: unlimited, origin: unlimited }
    // not started: it ticks for blobs of several pieces, and there are none here
    const transfers = stack.use(
      new Transfers({ clock, logger, registry: noMetrics, store, swarm, tier, origins: () => undefined, limits }),
    )
    const prewarm = stack.use(
      new Prewarm(
        {
          clock,
          logger,
          registry: noMetrics,
          store,
          swarm,
          tier,
          transfers,
          images: new TierManifests(tier),
          upstreams: { first: () => DOCKER_HUB, has: () => false },
          pins: { pinPlanned: async () => {}, unpinJob: async () => {} },
          loader: () => {
            throw new ShoalError('UNAVAILABLE', 'a light host has no runtime')
          },
          hostRate: () => 0,
          freeBytes: async () => FREE_BYTES,
          chargePlan: () => true,
        },
        { name: `light-${number}`, labels: {}, platform: 'linux/amd64' },
      ),
    )
    await prewarm.start()
    hub.attach({
      linked: (link) => {
        tier.linked(link)
        prewarm.linked(link)
      },
      unlinked: (link) => {
        tier.unlinked(link)
        transfers.unlinked(link)
        prewarm.unlinked(link)
      },
      handlers: { ...transfers.handlers, ...prewarm.handlers },
    })
    // a cache that is busy with others' handshakes is dialled again, as a daemon does
    const deadlineMs = clock.now() + LINK_TIMEOUT_MS
    while (swarm.links.size === 0 && clock.now() < deadlineMs) await sleep(clock, LOOK_EVERY_MS)
    return new LightHost(swarm, store, stack.move())
  }

  get linked(): boolean {
    return this.#swarm.links.size > 0
  }

  /** Blobs it has. */
  get blobs(): number {
    return this.#store.count
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

type Manifest = Granted<typeof blobRequests.manifest>

/** Manifests from their home, proven and forgotten. */
class TierManifests implements ImageSource {
  readonly #ladder: Ladder<Manifest>

  constructor(tier: Tier) {
    this.#ladder = new Ladder({ tier, clock: systemClock, origins: () => undefined })
  }

  async manifest(
    ref: Parameters<ImageSource['manifest']>[0],
    signal: AbortSignal,
  ): Promise<{ readonly digest: Digest; readonly bytes: Uint8Array }> {
    const climb: Climb<Manifest, Manifest> = {
      upstream: ref.upstream,
      key: ref.target.kind === 'digest' ? ref.target.digest : ref.target.tag,
      request: requestOf(blobRequests.manifest, ref),
      take: async ({ answer }) => answer,
      atOrigin: async () => refused('unavailable', 'a light host has no origin'),
    }
    const answer = await this.#ladder.forClient(climb, signal)
    if (answer.kind !== 'manifest' || digestOf(answer.bytes) !== answer.digest) {
      throw new ShoalError('UNAVAILABLE', 'the cache did not give a manifest')
    }
    return answer
  }

  async platform(): Promise<undefined> {}

  async rememberTag(): Promise<void> {}

  knows(): boolean {
    return true
  }

  shareable(): boolean {
    return true
  }
}

async function lookupAll(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address)
}
