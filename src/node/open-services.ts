import { systemClock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import {
  BlobAccess,
  Content,
  Grants,
  HomeService,
  ImageSignatures,
  Listings,
  Manifests,
  Mender,
  Purger,
  TagCache,
  TagOrders,
  TagProofs,
} from '../blob/index.ts'
import type { OriginChain } from '../origin/index.ts'
import { Transfers } from '../transfer/index.ts'
import { Housekeeping } from './housekeeping.ts'
import { ManifestSource } from './image-source.ts'
import type { NodeDeps } from './node-deps.ts'
import type { Ground } from './open-ground.ts'

/** What answers for content: to runtimes, to peers, and to the host's own work. */
export interface Services {
  readonly transfers: Transfers
  readonly content: Content
  readonly home: HomeService
  readonly tags: TagCache
  readonly images: ManifestSource
  readonly purger: Purger
}

/** Opens all that answers for content. Peers are not answered yet. */
export function openServices(ground: Ground, deps: NodeDeps, stack: AsyncDisposableStack): Services {
  const { settings, store, swarm, tier, upstreams, hopName } = ground
  const { registry, clock = systemClock, tracer } = deps
  const { byName } = upstreams
  const log = deps.logger.child({ component: 'blob' })
  const origins = (upstream: string): OriginChain | undefined => upstreams.chain(upstream)
  const grants = new Grants(store, clock, (upstream) => byName.get(upstream)?.access === 'public')
  const transfers = openTransfers(ground, deps, { grants, log }, stack)
  // a host of a region with caches has asked other hosts while those were gone
  const { role, tier: tiers } = settings.current
  const tags = new TagCache(store, clock, { believeUnmarked: role === 'cache' || tiers.caches.length === 0 })
  const proofs = new TagProofs(swarm.trust, { clock, region: swarm.self.region, regionsAbove: tier.parentRegions })
  const signatures = new ImageSignatures({
    store,
    clock,
    logger: log,
    registry,
    keys: (upstream) => byName.get(upstream)?.signatureKeys,
  })
  const manifests = new Manifests(tagAges(settings), {
    store,
    tier,
    grants,
    tags,
    proofs,
    signatures,
    logger: log,
    registry,
    clock,
    origins,
    tracer,
  })
  stack.use(new Housekeeping({ clock, logger: log, grants, tags, signatures, transfers })).start()
  const access = new BlobAccess({ tier, grants, clock, origins })
  const listings = new Listings({ tier, clock, origins })
  const content = stack.use(
    new Content({ clock, logger: log, store, tier, transfers, manifests, access, listings, upstreams: byName }),
  )
  const shareable = (upstream: string): boolean => {
    const known = byName.get(upstream)
    return known !== undefined && known.access !== 'passthrough'
  }
  stack.use(new Mender({ clock, logger: log, store, transfers, manifests, grants, fetchable: shareable }))
  const home = new HomeService({
    self: swarm.self,
    hopName,
    clock,
    logger: log,
    tier,
    transfers,
    manifests,
    access,
    listings,
    origins,
    shareable,
    lifeOf: (ref, target) => content.lifeOf(ref, target),
    tagOrders: new TagOrders({
      trust: swarm.trust,
      clock,
      logger: log,
      region: swarm.self.region,
      isParentRegion: (region) => tier.isParentRegion(region),
    }),
  })
  const images = new ManifestSource({ manifests, tags, clock, content, upstreams: byName })
  const purger = new Purger({ store, grants, tags, manifests, transfers })
  return { transfers, content, home, tags, images, purger }
}

function openTransfers(
  { settings, store, swarm, tier, upstreams, limiters }: Ground,
  { logger, registry, clock = systemClock, tracer }: NodeDeps,
  { grants, log }: { readonly grants: Grants; readonly log: Logger },
  stack: AsyncDisposableStack,
): Transfers {
  const transfers = stack.use(
    new Transfers({
      clock,
      logger: logger.child({ component: 'transfer' }),
      registry,
      store,
      swarm,
      tier,
      origins: (upstream) => upstreams.chain(upstream),
      limits: limiters,
      tracer,
      mostOriginRanges: settings.current.transfer.originRanges,
      confirmed: (ref, size) => {
        grants.confirmBlob(ref, size).catch((error: unknown) => {
          log.warn({ digest: ref.digest, err: error }, 'the store cannot keep that a repository has a blob')
        })
      },
    }),
  )
  transfers.start()
  return transfers
}

/** How long a tag is fresh, and how long an old one is better than none: both can change. */
function tagAges(settings: Ground['settings']): { readonly tagTtlMs: number; readonly tagMaxStaleMs: number } {
  return {
    get tagTtlMs() {
      return settings.current.tags.ttlMs
    },
    get tagMaxStaleMs() {
      return settings.current.tags.maxStaleMs
    },
  }
}
