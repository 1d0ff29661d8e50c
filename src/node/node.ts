import { randomInt } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { join } from 'node:path'
import type { AdminDoorDeps, MetricsText } from '../admin/index.ts'
import { AdminDoor, ownToken, readTokenFile } from '../admin/index.ts'
import type { Clock } from '../base/clock.ts'
import { systemClock } from '../base/clock.ts'
import { errorText } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import { seededRng } from '../base/rng.ts'
import { productVersion } from '../base/version.ts'
import type { UpstreamAccess } from '../blob/index.ts'
import {
  BlobAccess,
  Content,
  Grants,
  HomeService,
  Listings,
  Manifests,
  Mender,
  TagCache,
  TagOrders,
  TagProofs,
} from '../blob/index.ts'
import type { Config } from '../config/index.ts'
import { addressText, adminFiles } from '../config/index.ts'
import type { OriginChain } from '../origin/index.ts'
import { createOriginMetrics } from '../origin/index.ts'
import type { PrewarmOffice } from '../prewarm/index.ts'
import { newJobId } from '../prewarm/index.ts'
import { MirrorDoor } from '../registry/index.ts'
import type { BlobStore } from '../store/index.ts'
import { SteadyStore } from '../store/index.ts'
import type { CallArguments, CallName, CallResults, PeerLink, Swarm } from '../swarm/index.ts'
import { Libp2pSwarm, LOOPBACK_KEY } from '../swarm/index.ts'
import { Tier } from '../tier/index.ts'
import { Transfers } from '../transfer/index.ts'
import type { FleetTrust } from '../trust/index.ts'
import { Housekeeping } from './housekeeping.ts'
import { ManifestSource } from './image-source.ts'
import { limitersOf } from './limiters.ts'
import type { ReloadReport } from './live-config.ts'
import { LiveConfig } from './live-config.ts'
import { LiveUpstreams } from './live-upstreams.ts'
import type { Limiters } from './node-status.ts'
import { NodeStatusSource } from './node-status.ts'
import { openPrewarm, PrewarmDoorway } from './open-prewarm.ts'
import { openTrust, reloadTrust } from './open-trust.ts'
import { declareOriginStates } from './origin-metrics.ts'
import { openHooks, openPins } from './prewarm-entrances.ts'
import { openStoreChecks } from './store-checks.ts'
import { storeMemory } from './store-memory.ts'
import { SwarmHub } from './swarm-hub.ts'

export interface NodeDeps {
  readonly logger: Logger
  readonly registry: MetricRegistry & MetricsText
  /** Default: the process's own. */
  readonly clock?: Clock | undefined
  /** Sockets that listen already, by name: `mirror`. */
  readonly sockets?: ReadonlyMap<string, number> | undefined
}

/** How long a host does without its caches before it and its neighbours take turns at the origin. */
const TIER_GRACE_MS = 3_000
/** Readiness does not wait longer than this for the caches: without them the host works, only worse. */
const TIER_SETTLE_MS = 5_000

/** A running host: every room, built from the ground up and closed from the top down. */
export class ShoalNode implements AsyncDisposable {
  readonly addresses: { readonly mirror: string; readonly peer: string; readonly admin: string }
  readonly #mirror: MirrorDoor
  readonly #status: NodeStatusSource
  readonly #live: LiveConfig
  readonly #stack: AsyncDisposableStack

  private constructor(
    mirror: MirrorDoor,
    status: NodeStatusSource,
    live: LiveConfig,
    addresses: ShoalNode['addresses'],
    stack: AsyncDisposableStack,
  ) {
    this.#mirror = mirror
    this.#status = status
    this.#live = live
    this.addresses = addresses
    this.#stack = stack
  }

  /** Builds and starts everything; resolves when pulls are served. Throws `CONFIG_INVALID`, `STORE_FAILED`. */
  static async start(config: Config, deps: NodeDeps): Promise<ShoalNode> {
    await using stack = new AsyncDisposableStack()
    const { logger, registry } = deps
    const store = stack.use(
      await SteadyStore.open(
        { ...config.store, memoryBytes: storeMemory(config.role) },
        { logger: logger.child({ room: 'store' }), metrics: registry, clock: deps.clock },
      ),
    )
    const live = stack.use(openUpstreams(config, deps))
    const upstreams = live.byName
    declareOriginStates(registry, () => live.byName)
    const limiters = limitersOf(config)
    const hub = new SwarmHub()
    const keeper = stack.use(await openTrust(config, deps, stack))
    const swarm = stack.use(await startSwarm(config, deps, hub, keeper.trust))
    const tier = stack.use(startTier(config, swarm, logger))
    const origins = (upstream: string): OriginChain | undefined => upstreams.get(upstream)?.chain
    const settings = new LiveConfig(config, {
      upstreams: live,
      limiters,
      resizeStore: (sizes) => store.resize(sizes),
      credentials: async (next) => reloadTrust(keeper, settings.current, next),
    })
    const services = buildServices(settings, deps, { store, swarm, tier, upstreams, origins, limiters }, stack)
    const pins = await openPins(() => live.first, {
      store,
      images: services.images,
      logger: logger.child({ room: 'prewarm' }),
    })
    let addresses = { mirror: '', peer: peerAddress(config, swarm), admin: '' }
    const prewarm = stack.use(
      openPrewarm(config, {
        ...{ store, swarm, tier, registry, logger: logger.child({ room: 'prewarm' }) },
        ...{ transfers: services.transfers, images: services.images },
        pins,
        hostRate: () => limiters.prewarm.bytesPerSec,
        mirror: () => addresses.mirror,
      }),
    )
    await prewarm.start()
    services.attach(hub, prewarm)
    stack.defer(() => hub.detach())
    const sent = registry.counter('shoal_sent_bytes_total', 'Content bytes sent, by whom to', ['to'])
    let runtimeBytes = 0
    const status = new NodeStatusSource({
      ...{ clock: systemClock, store, swarm, tier, upstreams, limiters },
      ...{ transfers: services.transfers, home: services.home, tags: services.tags },
      get defaultUpstream() {
        return live.first
      },
      addresses: () => ({ ...addresses, peer: peerAddress(config, swarm) }),
      runtimeBytes: () => runtimeBytes,
      credentials: () => keeper.views(),
    })
    const hooks = stack.use(
      await openHooks(config, {
        ...{ logger: logger.child({ room: 'prewarm' }), registry, upstreams, images: services.images },
        home: services.home,
        submit: async (spec, signal) => {
          await prewarm.service.submit(prewarm.orders.begin(newJobId(Date.now()), spec), signal)
        },
      }),
    )
    if (config.prewarm.hooks.length > 0 && !prewarm.orders.canGive) {
      const fields = { rules: config.prewarm.hooks.length }
      logger.warn(
        fields,
        'prewarm.hooks can start nothing on this host: only a cache or an operator may act on the fleet',
      )
    }
    const names = { first: () => live.first, has: (name: string) => upstreams.has(name) }
    const checking = { store, images: services.images, logger, registry, defaultUpstream: names.first }
    const verify = openStoreChecks(config, checking, stack)
    const doorway = new PrewarmDoorway(prewarm, names)
    const admin = stack.use(await startAdmin(config, { source: status, pins, hooks, prewarm: doorway, verify }, deps))
    const mirror = await MirrorDoor.start(
      {
        listen: addressText(config.mirror.listen),
        fd: deps.sockets?.get('mirror'),
        search: live.search,
        drainMs: config.mirror.drainMs,
        selfHosts: config.mirror.hosts,
      },
      {
        ...{ content: services.content, clock: systemClock, logger, metrics: registry },
        onSent: (bytes) => {
          sent.inc({ to: 'runtime' }, bytes)
          runtimeBytes += bytes
        },
      },
    )
    stack.use(mirror)
    addresses = { ...addresses, mirror: new URL(mirror.url).host, admin: addressText(admin.address) }
    const node = new ShoalNode(mirror, status, settings, addresses, stack.move())
    await node.#settle(tier)
    return node
  }

  /** Takes up what can be taken up of a configuration while the host runs. Throws `CONFIG_INVALID`. */
  reload(config: Config): Promise<ReloadReport> {
    return this.#live.apply(config)
  }

  /** Takes no new pulls and resolves when the running ones have ended. */
  async drain(): Promise<void> {
    this.#status.setNotReady('stopping')
    await this.#mirror.drain()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#status.setNotReady('stopping')
    await this.#stack.disposeAsync()
  }

  async #settle(tier: Tier): Promise<void> {
    const limit = AbortSignal.timeout(TIER_SETTLE_MS)
    // not knowing the tier yet is no reason to refuse pulls
    await tier.settled(limit).catch(() => {})
    this.#status.setNotReady(undefined)
  }
}

function openUpstreams(config: Config, { logger, registry }: NodeDeps): LiveUpstreams {
  const metrics = createOriginMetrics(registry)
  const log = logger.child({ room: 'origin' })
  return new LiveUpstreams(config, { logger: log, metrics, clock: systemClock, version: productVersion() })
}

async function startSwarm(
  config: Config,
  { logger, registry }: NodeDeps,
  hub: SwarmHub,
  trust: FleetTrust,
): Promise<Libp2pSwarm> {
  const { role } = config
  const { region, zone } = config.tier
  return Libp2pSwarm.start(
    {
      ...{ role, region, zone, fleetKey: LOOPBACK_KEY, trust, software: productVersion() },
      listen: addressText(config.peer.listen),
      announce: config.peer.announce,
      pieceChannel: config.peer.pieceChannel,
      identityPath: join(config.store.path, 'identity'),
    },
    { events: hub, clock: systemClock, logger: logger.child({ room: 'swarm' }), metrics: registry },
  )
}

function startTier(config: Config, swarm: Swarm, logger: Logger): Tier {
  const { caches, parents } = config.tier
  return Tier.start(
    { caches, parents, graceMs: TIER_GRACE_MS },
    {
      ...{ swarm, clock: systemClock, logger: logger.child({ room: 'tier' }), rng: seededRng(randomInt(2 ** 32)) },
      lookup: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
    },
  )
}

/** Where peers reach this host; what it listens on while it has no address that others know. */
function peerAddress({ peer }: Config, { self }: Swarm): string {
  return self.addresses[0] ?? addressText(peer.listen)
}

interface Ground {
  readonly store: BlobStore
  readonly swarm: Swarm
  readonly tier: Tier
  readonly upstreams: ReadonlyMap<string, UpstreamAccess>
  readonly origins: (upstream: string) => OriginChain | undefined
  readonly limiters: Limiters
}

interface Services {
  readonly transfers: Transfers
  readonly content: Content
  readonly home: HomeService
  readonly tags: TagCache
  readonly images: ManifestSource
  /** Lets peers in: from here on they are answered. */
  attach(hub: SwarmHub, prewarm: PrewarmOffice): void
}

function buildServices(
  settings: LiveConfig,
  { logger, registry, clock = systemClock }: NodeDeps,
  ground: Ground,
  stack: AsyncDisposableStack,
): Services {
  const { store, swarm, tier, upstreams, origins, limiters } = ground
  const log = logger.child({ room: 'blob' })
  const grants = new Grants(store, clock, (upstream) => upstreams.get(upstream)?.access === 'public')
  const transfers = stack.use(
    new Transfers({
      clock,
      logger: logger.child({ room: 'transfer' }),
      registry,
      store,
      swarm,
      tier,
      origins,
      limits: limiters,
      confirmed: ({ upstream, repository, digest }, size) => {
        grants.confirmBlob(upstream, repository, digest, size).catch((error: unknown) => {
          log.warn({ digest, err: errorText(error) }, 'that a repository has a blob cannot be noted')
        })
      },
    }),
  )
  transfers.start()
  // a host of a region with caches has asked other hosts while those were gone
  const { role, tier: tiers } = settings.current
  const believeUnmarked = role === 'cache' || tiers.caches.length === 0
  const tags = new TagCache(store, clock, { believeUnmarked })
  const proofs = new TagProofs(swarm.trust, { region: swarm.self.region, regionsAbove: tier.parentRegions })
  const manifests = new Manifests(
    {
      get tagTtlMs() {
        return settings.current.tags.ttlMs
      },
      get tagMaxStaleMs() {
        return settings.current.tags.maxStaleMs
      },
    },
    { store, tier, grants, tags, proofs, logger: log, registry, clock, origins },
  )
  const housekeeping = stack.use(new Housekeeping({ clock, logger: log, grants, tags, transfers }))
  housekeeping.start()
  const access = new BlobAccess({ tier, grants, clock, origins })
  const listings = new Listings({ tier, origins })
  const content = stack.use(
    new Content({ clock, logger: log, store, tier, transfers, manifests, access, listings, upstreams }),
  )
  const shareable = (upstream: string): boolean => {
    const known = upstreams.get(upstream)
    return known !== undefined && known.access !== 'passthrough'
  }
  stack.use(new Mender({ clock, logger: log, store, transfers, manifests, grants, fetchable: shareable }))
  const home = new HomeService({
    self: swarm.self,
    clock,
    logger: log,
    tier,
    transfers,
    manifests,
    access,
    listings,
    shareable,
    tagOrders: new TagOrders({
      trust: swarm.trust,
      clock,
      region: swarm.self.region,
      isParentRegion: (region) => tier.isParentRegion(region),
      now: Date.now,
    }),
  })
  const attach = (hub: SwarmHub, prewarm: PrewarmOffice): void =>
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
      message: (link, message) =>
        message.type === 'letter' ? prewarm.message(link, message) : transfers.message(link, message),
      call: <N extends CallName>(link: PeerLink, name: N, args: CallArguments[N], signal: AbortSignal) =>
        // the name says which arguments and which answer
        name === 'prewarm'
          ? (prewarm.call(link, (args as CallArguments['prewarm']).body, signal) as Promise<CallResults[N]>)
          : home.call(link, name, args, signal),
    })
  const images = new ManifestSource({ manifests, tags, clock, content, upstreams })
  return { transfers, content, home, tags, images, attach }
}

async function startAdmin(
  config: Config,
  sources: Pick<AdminDoorDeps, 'source' | 'pins' | 'hooks' | 'prewarm' | 'verify'>,
  { logger, registry }: NodeDeps,
): Promise<AdminDoor> {
  const log = logger.child({ room: 'admin' })
  const { tokenFile: named, listen, socket } = config.admin
  const files = adminFiles(config)
  const own = named === null ? await ownToken(files.tokenFile) : undefined
  if (own?.isKept === false) {
    log.warn(
      { file: files.tokenFile, problem: own.problem },
      'the admin token cannot be kept: only the socket lets users in',
    )
  }
  return AdminDoor.start(
    { ...sources, metrics: registry, logger: log },
    {
      host: listen.host,
      port: listen.port,
      token: own?.token ?? (await readTokenFile(files.tokenFile)),
      tokenFile: files.tokenFile,
      isClosed: named !== null,
      socket: files.socket,
      needsSocket: socket !== 'auto',
    },
  )
}
