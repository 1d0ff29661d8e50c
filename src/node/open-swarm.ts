import { randomInt } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { seededRng } from '../base/rng.ts'
import { productVersion } from '../base/version.ts'
import type { Config } from '../config/index.ts'
import type { Swarm } from '../swarm/index.ts'
import { Libp2pSwarm, LOOPBACK_KEY } from '../swarm/index.ts'
import { Tier } from '../tier/index.ts'
import type { FleetTrust } from '../trust/index.ts'
import type { NodeDeps } from './node-deps.ts'
import { PROTOCOL } from './protocol.ts'
import type { SwarmHub } from './swarm-hub.ts'

/** How long a host does without its caches before it and its neighbours take turns at the origin. */
const TIER_GRACE_MS = 3_000

/** This host's links to others, as the configuration says. Throws `CONFIG_INVALID` where it cannot listen. */
export function startSwarm(
  config: Config,
  { logger, registry }: NodeDeps,
  hub: SwarmHub<typeof PROTOCOL>,
  trust: FleetTrust,
): Promise<Libp2pSwarm> {
  const { role } = config
  const { region, zone } = config.tier
  return Libp2pSwarm.start(
    {
      role,
      region,
      zone,
      fleetKey: LOOPBACK_KEY,
      trust,
      software: productVersion(),
      listen: config.peer.listen,
      announce: config.peer.announce,
      pieceChannel: config.peer.pieceChannel,
      identityPath: join(config.store.path, 'identity'),
    },
    {
      events: hub,
      protocol: PROTOCOL,
      clock: systemClock,
      logger: logger.child({ component: 'swarm' }),
      metrics: registry,
    },
  )
}

/** Where this host's homes are. Dials the configured caches from now on. */
export function startTier(config: Config, swarm: Swarm, logger: Logger): Tier {
  const { caches, parents } = config.tier
  return Tier.start(
    { caches, parents, graceMs: TIER_GRACE_MS },
    {
      swarm,
      clock: systemClock,
      logger: logger.child({ component: 'tier' }),
      rng: seededRng(randomInt(2 ** 32)),
      lookup: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
    },
  )
}
