import { systemClock } from '../base/clock.ts'
import { Events } from '../base/events.ts'
import { newHopName } from '../base/mirror-hops.ts'
import type { Config } from '../config/index.ts'
import type { BlobStore } from '../store/index.ts'
import { SteadyStore } from '../store/index.ts'
import type { Libp2pSwarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { TrustKeeper } from '../trust/index.ts'
import { limitersOf } from './limiters.ts'
import { LiveConfig } from './live-config.ts'
import type { LiveUpstreams } from './live-upstreams.ts'
import { openUpstreams } from './live-upstreams.ts'
import type { NodeDeps } from './node-deps.ts'
import type { Limiters } from './node-status.ts'
import { startSwarm, startTier } from './open-swarm.ts'
import { openTrust, reloadTrust } from './open-trust.ts'
import { declareOriginStates } from './origin-metrics.ts'
import type { PROTOCOL } from './protocol.ts'
import { storeMemory } from './store-memory.ts'
import { SwarmHub } from './swarm-hub.ts'

/** What all the services of a host stand on. */
export interface Ground {
  readonly settings: LiveConfig
  readonly store: BlobStore
  readonly upstreams: LiveUpstreams
  readonly limiters: Limiters
  readonly trust: TrustKeeper
  /** Where peers are answered, once services are there that can. */
  readonly hub: SwarmHub<typeof PROTOCOL>
  readonly swarm: Libp2pSwarm
  readonly tier: Tier
  readonly events: Events
  /** What this host calls itself to other Shoals. */
  readonly hopName: string
}

/** Opens the disk, the origins, who is believed, and the links to others. Throws `CONFIG_INVALID`, `STORE_FAILED`. */
export async function openGround(config: Config, deps: NodeDeps, stack: AsyncDisposableStack): Promise<Ground> {
  const { logger, registry } = deps
  const store = stack.use(deps.store ?? (await openStore(config, deps)))
  const hopName = newHopName()
  const upstreams = stack.use(openUpstreams(config, deps, hopName))
  declareOriginStates(registry, () => upstreams.states)
  const limiters = limitersOf(config)
  const hub = new SwarmHub<typeof PROTOCOL>()
  const trust = stack.use(await openTrust(config, deps, stack))
  const swarm = stack.use(await startSwarm(config, deps, hub, trust.trust))
  const tier = stack.use(startTier(config, swarm, logger))
  const settings = new LiveConfig(config, {
    upstreams,
    limiters,
    resizeStore: (sizes) => store.resize(sizes),
    credentials: async (next) => reloadTrust(trust, settings.current, next),
  })
  const events = new Events(systemClock)
  return { settings, store, upstreams, limiters, trust, hub, swarm, tier, events, hopName }
}

function openStore(config: Config, { logger, registry, clock }: NodeDeps): Promise<BlobStore> {
  const options = { ...config.store, memoryBytes: storeMemory(config.role) }
  return SteadyStore.open(options, { logger: logger.child({ component: 'store' }), metrics: registry, clock })
}
