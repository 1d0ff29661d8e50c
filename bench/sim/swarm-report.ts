import { quantile } from '../support/quantile.ts'
import type { RegionRates } from './bound.ts'
import { boundMs } from './bound.ts'
import type { SwarmOptions } from './swarm-options.ts'
import type { VirtualHost } from './virtual-host.ts'

export interface SwarmReport {
  readonly finished: boolean
  readonly hosts: number
  readonly bytes: number
  /** From the common start, over the leechers that have everything. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly lastMs: number
  /** The last of those that were there all the time. */
  readonly lastStayingMs: number
  readonly boundMs: number
  /** Last over bound. */
  readonly ratio: number
  /** Copies the origin sent. */
  readonly originRatio: number
  /** Pieces that arrived where they already were, or after they were given up. */
  readonly duplicates: number
  /** Copies of the whole content the regions' caches sent, per region. */
  readonly homeCopies: number
  readonly wants: number
  readonly busy: number
  readonly findPeers: number
  /** Share of the pieces that peers sent to another zone. */
  readonly crossZone: number
  /** The most one leecher had asked for and not yet got. */
  readonly mostOutstandingBytes: number
  readonly messages: number
  readonly events: number
  readonly traceHash: string
}

/** What the world counted, beside its hosts. */
export interface WorldCounts {
  readonly finished: boolean
  readonly originBytes: number
  readonly peerPieces: number
  readonly crossZonePieces: number
  readonly messages: number
  readonly events: number
  readonly traceHash: string
}

export function imageBytes({ blobs }: SwarmOptions): number {
  return blobs.reduce((sum, { pieces, pieceBytes }) => sum + pieces * pieceBytes, 0)
}

/** The bound of the fleet: of its slowest region. Dead hosts neither send nor count. */
export function fleetBoundMs(
  options: SwarmOptions,
  leechers: readonly VirtualHost[],
  rateOf: (id: number) => number,
): number {
  const { regions, caches, cacheRatio, hostRate, originRate } = options
  const cacheRate = caches * cacheRatio * hostRate
  const feeds = [originRate ?? Number.POSITIVE_INFINITY]
  if (regions > 1) feeds.push(cacheRate / regions)
  const bounds = Array.from({ length: regions }, (_, region) => {
    const own = leechers.filter(({ spec }) => spec.region === region && !spec.dead)
    const rates: RegionRates = {
      feed: Math.min(...feeds),
      caches: cacheRate,
      hosts: own.length,
      up: own.reduce((sum, { id }) => sum + rateOf(id), 0),
      slowestDown: hostRate,
    }
    return boundMs(imageBytes(options), rates)
  })
  return Math.max(...bounds)
}

export function reportOf(
  options: SwarmOptions,
  hosts: readonly VirtualHost[],
  bound: number,
  world: WorldCounts,
): SwarmReport {
  const leechers = hosts.filter(({ spec }) => spec.role === 'agent')
  const sum = (of: (host: VirtualHost) => number, over = leechers): number =>
    over.reduce((all, host) => all + of(host), 0)
  const counted = leechers.filter(({ spec, complete }) => complete && !spec.dead)
  const doneAt = (host: VirtualHost): number => Math.max(0, ...host.completedAt.values())
  const times = counted.map(doneAt)
  const lastMs = times.reduce((last, time) => Math.max(last, time), 0)
  const regional = hosts.filter(({ spec }) => spec.role === 'cache' && spec.region < options.regions)
  const bytes = imageBytes(options)
  return {
    finished: world.finished,
    hosts: options.hosts,
    bytes,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    lastMs,
    lastStayingMs: counted.filter(({ life }) => life === 1).reduce((last, host) => Math.max(last, doneAt(host)), 0),
    boundMs: bound,
    ratio: lastMs / bound,
    originRatio: world.originBytes / bytes,
    duplicates: sum((host) => host.counts.duplicates),
    homeCopies: sum((host) => host.counts.sentBytes, regional) / bytes / options.regions,
    wants: sum((host) => host.counts.wants),
    busy: sum((host) => host.counts.busy, [...hosts]),
    findPeers: sum((host) => host.counts.findPeers),
    crossZone: world.peerPieces === 0 ? 0 : world.crossZonePieces / world.peerPieces,
    mostOutstandingBytes: leechers.reduce((most, host) => Math.max(most, host.counts.mostBytes), 0),
    messages: world.messages,
    events: world.events,
    traceHash: world.traceHash,
  }
}
