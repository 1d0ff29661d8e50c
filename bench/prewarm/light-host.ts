import { lookup } from 'node:dns/promises'
import { join } from 'node:path'
import { sleep } from '../../src/base/abort.ts'
import { systemClock } from '../../src/base/clock.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/log.ts'
import { noMetrics } from '../../src/base/metrics.ts'
import { RateLimiter } from '../../src/base/rate-limiter.ts'
import { seededRng } from '../../src/base/rng.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { ImageSource } from '../../src/prewarm/index.ts'
import { PrewarmOffice } from '../../src/prewarm/index.ts'
import type { CallName, CallRefusal, CallResults, FleetKey, SwarmEvents } from '../../src/swarm/index.ts'
import { Libp2pSwarm } from '../../src/swarm/index.ts'
import { Tier } from '../../src/tier/index.ts'
import { Transfers } from '../../src/transfer/index.ts'
import type { LightStore } from './light-store.ts'

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
    const events = new LateEvents()
    const clock = systemClock
    const logger = silentLogger
    const identityPath = join(directory, `identity-${number}`)
    const swarm = stack.use(
      await Libp2pSwarm.start(
        { listen: '127.0.0.1:0', announce: [NOWHERE], role: 'agent', region, zone: null, fleetKey, identityPath },
        { events, clock, logger, metrics: noMetrics },
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
    const office = stack.use(
      new PrewarmOffice(
        {
          ...{ clock, logger, registry: noMetrics, store, swarm, tier, transfers, now: Date.now },
          images: new TierManifests(tier),
          pins: { pinPlanned: async () => {}, unpinJob: async () => {} },
          loader: () => {
            throw new ShoalError('UNAVAILABLE', 'a light host has no runtime')
          },
          hostRate: () => 0,
          freeBytes: async () => FREE_BYTES,
        },
        { name: `light-${number}`, labels: {}, platform: 'linux/amd64' },
      ),
    )
    await office.start()
    events.attach(tier, transfers, office)
    for (const link of swarm.links.values()) office.linked(link)
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

/** What a swarm tells, for rooms that are made after it. */
class LateEvents implements SwarmEvents {
  #rooms: { readonly tier: Tier; readonly transfers: Transfers; readonly office: PrewarmOffice } | undefined

  attach(tier: Tier, transfers: Transfers, office: PrewarmOffice): void {
    this.#rooms = { tier, transfers, office }
  }

  linked: SwarmEvents['linked'] = (link) => {
    this.#rooms?.tier.linked(link)
    this.#rooms?.office.linked(link)
  }

  unlinked: SwarmEvents['unlinked'] = (link) => {
    this.#rooms?.tier.unlinked(link)
    this.#rooms?.transfers.unlinked(link)
    this.#rooms?.office.unlinked(link)
  }

  message: SwarmEvents['message'] = (link, message) => {
    if (message.type === 'letter') this.#rooms?.office.message(link, message)
    else this.#rooms?.transfers.message(link, message)
  }

  call: SwarmEvents['call'] = async <N extends CallName>(
    link: Parameters<SwarmEvents['call']>[0],
    name: N,
    args: Parameters<SwarmEvents['call']>[2],
    signal: AbortSignal,
  ): Promise<CallResults[N]> => {
    const office = this.#rooms?.office
    // the name says which arguments and which answer
    if (name === 'prewarm' && office !== undefined && 'body' in args) {
      return (await office.call(link, args.body, signal)) as CallResults[N]
    }
    const refusal: CallRefusal = { kind: 'refused', reason: 'unavailable', message: 'a light host answers nothing' }
    return refusal as CallResults[N]
  }
}

/** Manifests from their home, proven and forgotten. */
class TierManifests implements ImageSource {
  readonly #tier: Tier

  constructor(tier: Tier) {
    this.#tier = tier
  }

  async manifest(
    ref: Parameters<ImageSource['manifest']>[0],
    signal: AbortSignal,
  ): Promise<{ readonly digest: Digest; readonly bytes: Uint8Array }> {
    const key = ref.target.kind === 'digest' ? ref.target.digest : ref.target.tag
    const answer = (await this.#tier.askHomes(key, { name: 'manifest', args: ref }, signal))?.answer
    if (answer?.kind !== 'manifest' || digestOf(answer.bytes) !== answer.digest) {
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
