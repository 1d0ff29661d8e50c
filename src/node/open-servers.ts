import { addressText } from '../base/address.ts'
import { systemClock } from '../base/clock.ts'
import { productVersion } from '../base/version.ts'
import type { Config } from '../config/index.ts'
import { MirrorServer } from '../registry/index.ts'
import type { Swarm } from '../swarm/index.ts'
import { declareFreeSpace } from './free-space.ts'
import { declareHostMetrics } from './host-metrics.ts'
import type { NodeDeps } from './node-deps.ts'
import { NodeStatusSource } from './node-status.ts'
import { startAdmin } from './open-admin.ts'
import type { Host } from './open-host.ts'
import { PageViews } from './page/page-view.ts'
import { openStoreChecks } from './store-checks.ts'
import { Why } from './why.ts'

/** Where a host is reached, as `host:port`; empty while it does not listen yet. */
export interface Addresses {
  mirror: string
  admin: string
}

interface Parts extends Host {
  readonly addresses: Addresses
}

export interface Servers {
  readonly mirror: MirrorServer
  readonly status: NodeStatusSource
}

/** Opens what is asked from outside: the admin server, then the mirror. Throws `CONFIG_INVALID`. */
export async function openServers(
  config: Config,
  deps: NodeDeps,
  parts: Parts,
  stack: AsyncDisposableStack,
): Promise<Servers> {
  const { logger, registry } = deps
  const { ground, services, work, addresses } = parts
  const { settings, store, swarm, tier, upstreams, events } = ground
  const { transfers, images, tags } = services
  const clock = systemClock
  const self = { version: productVersion(), role: config.role, region: config.tier.region }
  declareHostMetrics(registry, { clock, tier, transfers, self })
  declareFreeSpace(registry, config.store.path, logger)
  let runtimeBytes = 0
  const status = statusOf(config, deps, parts, () => runtimeBytes)
  const defaultUpstream = (): string => upstreams.first
  const verify = openStoreChecks(settings, { store, images, logger, registry, defaultUpstream }, stack)
  const why = new Why({
    clock,
    store,
    swarm,
    tier,
    tags,
    upstreams: upstreams.byName,
    events,
    tagTtlMs: () => settings.current.tags.ttlMs,
    defaultUpstream,
  })
  const { pins, hooks, prewarm, purge } = work
  const page = new PageViews({ clock, status, swarm, transfers, pins, jobs: prewarm.jobs })
  const admin = stack.use(
    await startAdmin(
      config,
      {
        source: status,
        page,
        pins,
        hooks,
        prewarm: prewarm.jobs,
        purges: purge.client,
        verify,
        events,
        why,
        logs: deps.logs,
      },
      deps,
    ),
  )
  const sent = registry.counter('shoal_sent_bytes_total', 'Content bytes sent, by whom to', { to: ['runtime'] })
  const mirror = stack.use(
    await startMirror(config, deps, parts, (bytes) => {
      sent.inc({ to: 'runtime' }, bytes)
      runtimeBytes += bytes
    }),
  )
  services.purger.heed((digest) => mirror.isPulled(digest))
  addresses.mirror = new URL(mirror.url).host
  addresses.admin = addressText(admin.address)
  return { mirror, status }
}

/** Where peers reach this host; what it listens on while it has no address that others know. */
export function peerAddress({ peer }: Config, { self }: Swarm): string {
  return self.addresses[0] ?? addressText(peer.listen)
}

function statusOf(
  config: Config,
  { logger }: NodeDeps,
  { ground, services, addresses }: Parts,
  runtimeBytes: () => number,
): NodeStatusSource {
  const { store, swarm, tier, upstreams, limiters, trust } = ground
  const { transfers, home, tags } = services
  return new NodeStatusSource({
    logger,
    clock: systemClock,
    store,
    swarm,
    tier,
    upstreams: upstreams.byName,
    limiters,
    upstreamStates: () => upstreams.states,
    transfers,
    home,
    tags,
    get defaultUpstream() {
      return upstreams.first
    },
    addresses: () => ({ ...addresses, peer: peerAddress(config, swarm) }),
    runtimeBytes,
    credentials: () => trust.views(),
  })
}

function startMirror(
  config: Config,
  { logger, registry, sockets, tracer }: NodeDeps,
  { ground, services }: Parts,
  onSent: (bytes: number) => void,
): Promise<MirrorServer> {
  const { settings, upstreams, hopName, events } = ground
  return MirrorServer.start(
    {
      listen: config.mirror.listen,
      fd: sockets?.get('mirror'),
      search: upstreams.search,
      hopName,
      drainMs: config.mirror.drainMs,
      selfHosts: () => settings.current.mirror.hosts,
    },
    {
      content: services.content,
      clock: systemClock,
      logger: logger.child({ component: 'registry' }),
      metrics: registry,
      onReceived: (listener) => services.transfers.listen(listener),
      pulls: {
        pulled: (event) => events.publish('pull', event),
        refused: (event) => events.publish('refusal', event),
      },
      onSent,
      tracer,
    },
  )
}
