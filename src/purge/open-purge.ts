import type { Exchange, Orders } from '../orders/index.ts'
import { openExchange } from '../orders/index.ts'
import type { Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { PurgeClientDeps } from './purge-client.ts'
import { PurgeClient } from './purge-client.ts'
import { PurgeResponders } from './purge-responders.ts'
import type { PurgesDeps } from './purges.ts'
import { Purges } from './purges.ts'
import type { PurgeMessages, PurgeRequests } from './words.ts'
import { PURGE_WORDS } from './words.ts'

interface PurgeDeps extends Omit<PurgesDeps, 'messenger'>, Pick<PurgeClientDeps, 'upstreams'> {
  readonly swarm: Swarm
  readonly tier: Tier
  readonly orders: Orders
  /** Names of the regions below that are known, also while they are away. */
  readonly regionsBelow: () => readonly string[]
}

/** Purges on one host, put together. */
export interface Purge {
  /** This host's part. */
  readonly purges: Purges
  /** For its users. */
  readonly client: PurgeClient
  /** For what peers say and ask. */
  readonly receiver: Exchange<PurgeMessages, PurgeRequests>['receiver']
}

/** To be started before anything is told of peers. */
export function openPurge(deps: PurgeDeps): Purge {
  const { clock, logger, swarm, tier, orders, upstreams, keeps, regionsBelow } = deps
  const { receiver, messenger, routes } = openExchange(PURGE_WORDS, { logger, swarm, tier, orders })
  const purges = new Purges({ ...deps, messenger })
  const { region } = swarm.self
  const responders = keeps ? new PurgeResponders({ routes, tier, regionsBelow, purges, region }) : {}
  receiver.attach({ listeners: [purges], responders })
  return { purges, receiver, client: new PurgeClient({ routes, orders, upstreams, clock }) }
}
