import { hostname } from 'node:os'
import { systemClock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Config } from '../config/index.ts'
import type { ordersProtocol } from '../orders/index.ts'
import { Orders, receivedBy } from '../orders/index.ts'
import type { Pins } from '../pins/index.ts'
import type { Prewarm } from '../prewarm/index.ts'
import type { Purge } from '../purge/index.ts'
import { openPurge } from '../purge/index.ts'
import type { Handlers, PeerLink } from '../swarm/index.ts'
import type { NodeDeps } from './node-deps.ts'
import type { Ground } from './open-ground.ts'
import { openPrewarm } from './open-prewarm.ts'
import type { Services } from './open-services.ts'

/** What acts on the whole fleet, on this host. */
interface OrderedWork {
  readonly prewarm: Prewarm
  readonly purge: Purge
  /** Whether this host can give orders by itself. */
  readonly canOrder: boolean
  readonly handlers: Handlers<typeof ordersProtocol>
  linked(link: PeerLink): void
  unlinked(link: PeerLink): void
}

interface OrderedWorkDeps {
  readonly node: NodeDeps
  readonly ground: Ground
  readonly services: Services
  readonly pins: Pins
  readonly mirror: () => string
}

/** Prewarm and purges, which go on where an earlier process stopped. */
export async function openOrders(
  config: Config,
  { node, ground, services, pins, mirror }: OrderedWorkDeps,
  stack: AsyncDisposableStack,
): Promise<OrderedWork> {
  const { store, swarm, tier, limiters, events } = ground
  const { registry, clock = systemClock } = node
  const { images, transfers, home, purger } = services
  const log = (component: string): Logger => node.logger.child({ component })
  const upstreams = { first: () => ground.upstreams.first, has: (name: string) => ground.upstreams.byName.has(name) }
  const { region, role } = swarm.self
  const isParentRegion = (other: string): boolean => tier.isParentRegion(other)
  const orders = new Orders({ trust: swarm.trust, clock, logger: log('orders'), region, isParentRegion })
  const keeps = role === 'cache' || tier.status().state === 'own'
  const shared = { clock, store, swarm, tier, registry, upstreams, orders }
  const prewarm = stack.use(
    openPrewarm(config, {
      ...shared,
      logger: log('prewarm'),
      transfers,
      images,
      keepsJobs: keeps,
      pins,
      hostRate: () => limiters.prewarm.bytesPerSec,
      jobChanged: (job) => events.publish('job', job),
      mirror,
      hostNamed: (key, name) => purge.purges.named(key, name),
      chargePlan: (link, count) => home.chargePlan(link, count),
    }),
  )
  const regionsBelow = (): readonly string[] => prewarm.regionsBelow()
  const purge = openPurge({ ...shared, logger: log('purge'), purger, keeps, name: hostname(), regionsBelow })
  stack.use(purge.purges)
  await prewarm.start()
  await purge.purges.start()
  return {
    prewarm,
    purge,
    canOrder: orders.canGive,
    handlers: receivedBy([prewarm.receiver, purge.receiver], log('orders')),
    linked(link) {
      prewarm.linked(link)
      purge.purges.linked(link.peer)
    },
    unlinked(link) {
      prewarm.unlinked(link)
      purge.purges.unlinked(link.peer)
    },
  }
}
