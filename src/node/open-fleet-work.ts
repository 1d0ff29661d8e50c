import { systemClock } from '../base/clock.ts'
import type { Config } from '../config/index.ts'
import type { Pins } from '../pins/index.ts'
import type { Prewarm } from '../prewarm/index.ts'
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
  readonly hooks: Webhooks
  readonly watch: TierWatch
}

/** Opens pins, prewarm and webhooks, and lets peers in: from here on they are answered. Throws `CONFIG_INVALID`. */
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
  const pins = await openPins(first, { store, images, logger: logger.child({ component: 'pins' }) })
  const prewarm = stack.use(
    openPrewarm(config, {
      clock,
      store,
      swarm,
      tier,
      registry,
      logger: logger.child({ component: 'prewarm' }),
      transfers,
      images,
      upstreams: { first, has: (name) => upstreams.byName.has(name) },
      pins,
      hostRate: () => limiters.prewarm.bytesPerSec,
      jobChanged: (job) => events.publish('job', job),
      mirror,
      purger,
      chargePlan: (link, count) => home.chargePlan(link, count),
    }),
  )
  await prewarm.start()
  const log = logger.child({ component: 'tier' })
  const watch = stack.use(new TierWatch({ clock: systemClock, tier, events, logger: log }))
  hub.attach({
    linked: (link) => {
      tier.linked(link)
      prewarm.linked(link)
      watch.changed(link, 'linked')
    },
    unlinked: (link) => {
      tier.unlinked(link)
      transfers.unlinked(link)
      prewarm.unlinked(link)
      watch.changed(link, 'lost')
    },
    handlers: { ...tier.handlers, ...transfers.handlers, ...home.handlers, ...prewarm.handlers },
  })
  stack.defer(() => hub.detach())
  const hooks = stack.use(
    await openWebhooks(config, {
      logger: logger.child({ component: 'webhook' }),
      registry,
      upstreams: upstreams.byName,
      images,
      home,
      submit: async (spec, signal) => void (await prewarm.jobs.submit(spec, signal)),
      purge: async (spec, signal) => void (await prewarm.purges.submit(spec, signal)),
    }),
  )
  if (config.prewarm.hooks.length > 0 && !prewarm.orders.canGive) {
    logger.warn(
      { rules: config.prewarm.hooks.length },
      'prewarm.hooks can start nothing on this host: only a cache or an operator may act on the fleet',
    )
  }
  return { pins, prewarm, hooks, watch }
}
