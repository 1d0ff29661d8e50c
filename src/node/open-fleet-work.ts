import { hostname } from 'node:os'
import { systemClock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Config } from '../config/index.ts'
import { Orders, receivedBy } from '../orders/index.ts'
import type { Pins } from '../pins/index.ts'
import type { Prewarm } from '../prewarm/index.ts'
import type { Purge } from '../purge/index.ts'
import { openPurge } from '../purge/index.ts'
import type { Webhooks } from '../webhook/index.ts'
import type { NodeDeps } from './node-deps.ts'
import type { Ground } from './open-ground.ts'
import { openPrewarm } from './open-prewarm.ts'
import type { Services } from './open-services.ts'
import { openPins, openWebhooks } from './prewarm-entrances.ts'
import { TierWatch } from './tier-watch.ts'

/** A host's part in what the fleet does together, beside pulls. */
export interface FleetWork {
  readonly pins: Pins
  readonly prewarm: Prewarm
  readonly purge: Purge
  readonly hooks: Webhooks
  readonly watch: TierWatch
}

/** Opens pins, prewarm, purges and webhooks, and lets peers in: from here on they are answered. Throws `CONFIG_INVALID`. */
export async function openFleetWork(
  config: Config,
  deps: NodeDeps,
  { ground, services, mirror }: { readonly ground: Ground; readonly services: Services; readonly mirror: () => string },
  stack: AsyncDisposableStack,
): Promise<FleetWork> {
  const { store, swarm, tier, upstreams, limiters, hub, events } = ground
  const { logger, registry, clock = systemClock } = deps
  const { images, transfers, home, purger } = services
  const first = (): string => upstreams.first
  const isParentRegion = (region: string): boolean => tier.isParentRegion(region)
  const log = (component: string): Logger => logger.child({ component })
  const ordersLog = log('orders')
  const orders = new Orders({ trust: swarm.trust, clock, logger: ordersLog, region: swarm.self.region, isParentRegion })
  const keepsOrders = swarm.self.role === 'cache' || tier.status().state === 'own'
  const upstreamNames = { first, has: (name: string) => upstreams.byName.has(name) }
  const pins = await openPins(first, { store, images, logger: log('pins') })
  const prewarm = stack.use(
    openPrewarm(config, {
      clock,
      store,
      swarm,
      tier,
      registry,
      logger: log('prewarm'),
      transfers,
      images,
      upstreams: upstreamNames,
      orders,
      keepsJobs: keepsOrders,
      pins,
      hostRate: () => limiters.prewarm.bytesPerSec,
      jobChanged: (job) => events.publish('job', job),
      mirror,
      hostNamed: (key, name) => purge.purges.named(key, name),
      chargePlan: (link, count) => home.chargePlan(link, count),
    }),
  )
  const purge = openPurge({
    clock,
    logger: log('purge'),
    registry,
    store,
    swarm,
    tier,
    orders,
    purger,
    upstreams: upstreamNames,
    keeps: keepsOrders,
    name: hostname(),
    regionsBelow: () => prewarm.regionsBelow(),
  })
  stack.use(purge.purges)
  await prewarm.start()
  await purge.purges.start()
  const watch = stack.use(new TierWatch({ clock: systemClock, tier, events, logger: log('tier') }))
  hub.attach({
    linked: (link) => {
      tier.linked(link)
      prewarm.linked(link)
      purge.purges.linked(link.peer)
      watch.changed(link, 'linked')
    },
    unlinked: (link) => {
      tier.unlinked(link)
      transfers.unlinked(link)
      prewarm.unlinked(link)
      purge.purges.unlinked(link.peer)
      watch.changed(link, 'lost')
    },
    handlers: {
      ...tier.handlers,
      ...transfers.handlers,
      ...home.handlers,
      ...receivedBy([prewarm.receiver, purge.receiver], ordersLog),
    },
  })
  stack.defer(() => hub.detach())
  const hooks = stack.use(
    await openWebhooks(config, {
      logger: log('webhook'),
      registry,
      upstreams: upstreams.byName,
      images,
      home,
      submit: async (spec, signal) => void (await prewarm.jobs.submit(spec, signal)),
      purge: async (spec, signal) => void (await purge.client.submit(spec, signal)),
    }),
  )
  if (config.prewarm.hooks.length > 0 && !orders.canGive) {
    logger.warn(
      { rules: config.prewarm.hooks.length },
      'prewarm.hooks can start nothing on this host: only a cache or an operator may act on the fleet',
    )
  }
  return { pins, prewarm, purge, hooks, watch }
}
