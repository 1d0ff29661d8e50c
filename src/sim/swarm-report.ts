import { quantile } from '../base/quantile.ts'
import type { Bounds } from './bound.ts'
import { boundMs, boundsOf } from './bound.ts'
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
  readonly bounds: Bounds
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
interface WorldCounts {
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

/** The bounds of the fleet: of its slowest region. Dead hosts neither send nor count. */
export function fleetBounds(
  options: SwarmOptions,
  leechers: readonly VirtualHost[],
  rateOf: (id: number) => number,
): Bounds {
  const { regions, caches, cacheRatio, hostRate, originRate } = options
  const cacheRate = caches * cacheRatio * hostRate
  const bounds = Array.from({ length: regions }, (_, region) => {
    const own = leechers.filter(({ spec }) => spec.region === region && !spec.dead)
    return boundsOf(imageBytes(options), {
      origin: originRate ?? Number.POSITIVE_INFINITY,
      parents: regions > 1 ? cacheRate / regions : Number.POSITIVE_INFINITY,
      caches: cacheRate,
      hosts: own.length,
      up: own.reduce((sum, { id }) => sum + rateOf(id), 0),
      slowestDown: hostRate,
    })
  })
  const slowest = (part: keyof Bounds): number => Math.max(...bounds.map((region) => region[part]))
  return {
    origin: slowest('origin'),
    parents: slowest('parents'),
    caches: slowest('caches'),
    hosts: slowest('hosts'),
    uplinks: slowest('uplinks'),
  }
}

/** When the last of those that left and came back can be whole: what each misses then must still come through its link. */
function returnedMs(hosts: readonly VirtualHost[], { hostRate }: SwarmOptions): number {
  const back = hosts.filter(({ life }) => life > 1)
  return back.reduce((last, { began }) => Math.max(last, began.atMs + began.missingBytes / hostRate), 0)
}

export function reportOf(
  options: SwarmOptions,
  hosts: readonly VirtualHost[],
  bounds: Bounds,
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
  const bound = Math.max(boundMs(bounds), returnedMs(counted, options))
  return {
    finished: world.finished,
    hosts: options.hosts,
    bytes,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    lastMs,
    lastStayingMs: counted.filter(({ life }) => life === 1).reduce((last, host) => Math.max(last, doneAt(host)), 0),
    boundMs: bound,
    bounds,
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
