import { systemClock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Config } from '../config/index.ts'
import type { Pins } from '../pins/index.ts'
import type { Prewarm } from '../prewarm/index.ts'
import type { Purge } from '../purge/index.ts'
import type { Webhooks } from '../webhook/index.ts'
import type { NodeDeps } from './node-deps.ts'
import type { Ground } from './open-ground.ts'
import { openOrders } from './open-orders.ts'
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
  const { store, tier, upstreams, hub, events } = ground
  const { logger, registry } = deps
  const { images, transfers, home } = services
  const log = (component: string): Logger => logger.child({ component })
  const pins = await openPins(() => upstreams.first, { store, images, logger: log('pins') })
  const work = await openOrders(config, { node: deps, ground, services, pins, mirror }, stack)
  const { prewarm, purge } = work
  const watch = stack.use(new TierWatch({ clock: systemClock, tier, events, logger: log('tier') }))
  hub.attach({
    linked: (link) => {
      tier.linked(link)
      work.linked(link)
      watch.changed(link, 'linked')
    },
    unlinked: (link) => {
      tier.unlinked(link)
      transfers.unlinked(link)
      work.unlinked(link)
      watch.changed(link, 'lost')
    },
    handlers: { ...tier.handlers, ...transfers.handlers, ...home.handlers, ...work.handlers },
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
  if (config.prewarm.hooks.length > 0 && !work.canOrder) {
    logger.warn(
      { rules: config.prewarm.hooks.length },
      'prewarm.hooks can start nothing on this host: only a cache or an operator may act on the fleet',
    )
  }
  return { pins, prewarm, purge, hooks, watch }
}
