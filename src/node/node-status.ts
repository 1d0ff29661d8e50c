import type {
  AdminSource,
  BlobStatus,
  CacheStatus,
  Limits,
  LimitsPatch,
  NodeStatus,
  PeerStatus,
  Readiness,
  ReadinessCondition,
  TransferStatus,
} from '../admin/index.ts'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { ownFileShares } from '../base/open-files.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import { productVersion } from '../base/version.ts'
import type { HomeService, TagCache, UpstreamAccess } from '../blob/index.ts'
import { parseReference } from '../oci/reference.ts'
import type { BlobStore, DiskState, StoreEntry } from '../store/index.ts'
import type { Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Transfers, TransferView } from '../transfer/index.ts'
import type { Order } from '../trust/index.ts'
import type { UpstreamState } from './live-upstreams.ts'
import { transferRate } from './transfer-rate.ts'

export type Limiters = Readonly<Record<keyof Limits, RateLimiter>>

interface NodeStatusDeps {
  readonly logger: Logger
  readonly clock: Clock
  readonly store: BlobStore
  readonly swarm: Swarm
  readonly tier: Tier
  readonly transfers: Transfers
  readonly home: HomeService
  readonly tags: TagCache
  readonly limiters: Limiters
  readonly upstreams: ReadonlyMap<string, UpstreamAccess>
  readonly upstreamStates: () => readonly UpstreamState[]
  readonly defaultUpstream: string
  readonly addresses: () => NodeStatus['addresses']
  readonly runtimeBytes: () => number
  readonly credentials: () => NodeStatus['credentials']
}

/** What readiness says of the disk. */
const DISK: Readonly<Record<DiskState, string>> = {
  ok: 'ok',
  full: 'the disk is full: pulls go through without being kept',
  read_only: 'the disk is read-only: pulls go through without being kept',
  failed: 'the disk fails: pulls go through without being kept',
  stalled: 'the disk does not answer: pulls go through without being kept',
}

/** What the admin server shows of a running node; everything but `invalidate` is read from memory. */
export class NodeStatusSource implements AdminSource {
  readonly #deps: NodeStatusDeps
  readonly #startedAt: number
  #notReady: string | undefined = 'starting'

  constructor(deps: NodeStatusDeps) {
    this.#deps = deps
    this.#startedAt = deps.clock.now()
  }

  /** Undefined = ready. */
  setNotReady(reason: string | undefined): void {
    this.#notReady = reason
  }

  ready(want: readonly ReadinessCondition[]): Readiness {
    const { store, tier, upstreams } = this.#deps
    const conditions = {
      tier: tierCondition(tier),
      origin: originCondition(upstreams),
      disk: DISK[store.usage().state],
    }
    // caches that are away come back; those of another region are a mistake, whatever a probe asks for
    const isMisplaced = misplacement(tier) !== undefined
    const missing = isMisplaced ? 'tier' : want.find((condition) => conditions[condition] !== 'ok')
    const reason = this.#notReady ?? (missing === undefined ? 'ok' : `${missing}: ${conditions[missing]}`)
    return { ready: reason === 'ok', reason, conditions }
  }

  status(): NodeStatus {
    const { clock, store, swarm, tier, transfers } = this.#deps
    const { key, role, region, zone } = swarm.self
    const { capacityBytes, completeBytes, partialBytes, pinnedBytes, state } = store.usage()
    const links = [...swarm.links.values()]
    const { totals } = transfers.traffic
    return {
      version: productVersion(),
      role,
      region,
      zone,
      peerId: key,
      addresses: this.#deps.addresses(),
      uptimeSeconds: Math.round((clock.now() - this.#startedAt) / 1000),
      store: { capacityBytes, completeBytes, partialBytes, pinnedBytes, diskFull: state === 'full', state },
      peers: {
        linked: links.length,
        caches: links.filter(({ peer }) => peer.role === 'cache').length,
        clones: swarm.clones.map(({ key: peerId, addresses }) => ({ peerId, addresses })),
      },
      openFiles: openFiles(),
      credentials: this.#deps.credentials(),
      tier: tierStatus(tier),
      received: { ...totals.received },
      sent: { ...totals.sent, runtime: this.#deps.runtimeBytes() },
      transfersActive: transfers.views().length,
      limits: this.limits(),
      defaultUpstream: this.#deps.defaultUpstream,
      upstreams: this.#deps.upstreamStates(),
    }
  }

  transfers(): TransferStatus[] {
    const now = this.#deps.clock.now()
    return this.#deps.transfers.views().map((view) => transferStatus(view, now))
  }

  blobs(): BlobStatus[] {
    return this.#deps.store.list().map(blobStatus)
  }

  peers(): PeerStatus[] {
    const { swarm, transfers } = this.#deps
    return [...swarm.links.values()].map((link) => {
      const { sent, received } = transfers.traffic.traffic(link)
      const { key, role, region, zone, addresses } = link.peer
      return { key, role, region, zone, addresses, direction: link.direction, sentBytes: sent, receivedBytes: received }
    })
  }

  async invalidate(
    text: string,
    order: Order | undefined,
    signal: AbortSignal,
  ): Promise<{ digest?: string | undefined; everywhere: boolean }> {
    const { home, tags, upstreams, defaultUpstream } = this.#deps
    const { upstream, repository, target } = parseReference(text, defaultUpstream, (word) => upstreams.has(word))
    if (target.kind !== 'tag') {
      throw new ShoalError(
        'REFERENCE_INVALID',
        `"${text}" is a digest: it cannot change, so there is nothing to forget`,
      )
    }
    if (!upstreams.has(upstream)) {
      throw new ShoalError(
        'REFERENCE_INVALID',
        `"${text}": no upstream is called ${upstream} (see upstreams in the configuration)`,
      )
    }
    const ref = { upstream, repository, tag: target.tag }
    const known = await tags.find(ref)
    const reach = await home.invalidate(ref, order, signal)
    return { digest: known?.digest, everywhere: reach === 'everywhere' }
  }

  limits(): Limits {
    const { upload, download, origin, prewarm } = this.#deps.limiters
    return {
      upload: upload.bytesPerSec,
      download: download.bytesPerSec,
      origin: origin.bytesPerSec,
      prewarm: prewarm.bytesPerSec,
    }
  }

  setLimits(patch: LimitsPatch): Limits {
    for (const name of ['upload', 'download', 'origin', 'prewarm'] as const) {
      const rate = patch[name]
      if (rate !== undefined) this.#deps.limiters[name].setRate(rate)
    }
    this.#deps.logger.info({ limits: patch }, "limits were changed at this host's admin server")
    return this.limits()
  }
}

/** The first origin that does not answer, without its words: a probe needs no token. */
function originCondition(upstreams: ReadonlyMap<string, UpstreamAccess>): string {
  for (const [name, { chain }] of upstreams) {
    const failing = chain.places.find(({ trouble }) => trouble !== undefined)
    if (failing !== undefined) return `an origin of ${name} (${failing.kind}) is ${failing.trouble?.state}`
  }
  return 'ok'
}

function tierCondition(tier: Tier): string {
  if (!tier.acting) return 'ok'
  return misplacement(tier) ?? 'no cache of this region answers'
}

/** That no cache has answered for this host's region since the start, and one has for another; undefined when it is not so. */
function misplacement(tier: Tier): string | undefined {
  if (!tier.acting) return undefined
  const answered = tier.status().caches.filter(({ key }) => key !== undefined)
  const [elsewhere] = answered
  if (elsewhere === undefined || answered.some(({ servesInstead }) => servesInstead === undefined)) return undefined
  return `${elsewhere.address} serves region ${elsewhere.servesInstead}, not this host's: mend tier.region or tier.caches`
}

function tierStatus(tier: Tier): NodeStatus['tier'] {
  const { state, standIns, caches, parents } = tier.status()
  const byRegion = new Map<string, CacheStatus[]>()
  for (const { region, ...cache } of parents) byRegion.set(region, [...(byRegion.get(region) ?? []), cache])
  return { state, standIns, caches, parents: [...byRegion].map(([region, ofRegion]) => ({ region, caches: ofRegion })) }
}

function blobStatus({ digest, size, storedBytes, state, lastUsedEpochMs, pinnedUntilEpochMs }: StoreEntry): BlobStatus {
  return {
    digest,
    sizeBytes: size,
    storedBytes,
    state,
    lastUsedEpochMs,
    pinned: pinnedUntilEpochMs !== undefined,
    pinnedUntilEpochMs: Number.isFinite(pinnedUntilEpochMs) ? (pinnedUntilEpochMs ?? null) : null,
  }
}

/** One transfer as it is told, `now` by the transfers' own clock. */
export function transferStatus({ transfer, neighbours }: TransferView, now: number): TransferStatus {
  const { layout, partial, received, startedEpochMs, proven, failure } = transfer
  const haveBytes = Math.min(layout.size, partial.have.count * layout.pieceSize)
  const { bytesPerSec } = transferRate(transfer, now)
  return {
    digest: layout.digest,
    sizeBytes: layout.size,
    haveBytes,
    bytesPerSec,
    from: { ...received },
    etaSeconds: bytesPerSec > 0 ? (layout.size - haveBytes) / bytesPerSec : null,
    peers: neighbours,
    startedEpochMs,
    state: failure !== undefined ? 'failed' : proven ? 'done' : partial.have.complete ? 'verifying' : 'running',
  }
}

function openFiles(): NodeStatus['openFiles'] {
  const { limit, isFew } = ownFileShares()
  return { limit: Number.isFinite(limit) ? limit : null, few: isFew }
}
