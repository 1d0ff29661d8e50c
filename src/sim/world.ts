import { pieceSizeFor } from '../piece/piece-layout.ts'
import type { SwarmOptions } from './swarm-options.ts'
import { GIGABIT, MIB, NO_FAULTS } from './swarm-options.ts'
import { imageBytes } from './swarm-report.ts'

/** A fleet and the image that all of it pulls at once. Sizes in bytes, times in milliseconds, shares 0..1. */
export interface World {
  /** Hosts that pull, of all regions together. */
  readonly hosts: number
  readonly size: number
  readonly layers: number
  /** A host's link, each way, in 10^9 bits a second. */
  readonly gbps: number
  /** With more than one, a core region of caches stands between them and the origin. */
  readonly regions: number
  /** Of a region. */
  readonly caches: number
  /** A cache's link over a host's. */
  readonly cacheRatio: number
  /** The origin's link over a host's; a cache's, unless given. */
  readonly originRatio?: number | undefined
  /** The caches have the image from the start. */
  readonly cached?: boolean | undefined
  /** Of a region. */
  readonly zones: number
  /** Of everything random. */
  readonly seed: number
  /** Hosts that vanish during the time of the bound, and come back. */
  readonly churn: number
  /** Hosts with a tenth of the uplink. */
  readonly slow: number
  /** Hosts that take requests and never answer. */
  readonly dead: number
  /** Round trip between any two hosts. */
  readonly rtt: number
  /** Hosts come within this time. */
  readonly join: number
  /** Instead of what follows from the size. */
  readonly pieceSize?: number | undefined
  /** Bytes of one connection that a sender's kernel takes. */
  readonly buffer: number
  /** Bytes of one connection that may be on the way; what the round trip needs, unless given. */
  readonly window?: number | undefined
}

/** The links and machines that a world is made of. */
export function swarmOptions(world: World): SwarmOptions {
  const { hosts, regions, caches, cacheRatio, layers, zones, seed, slow, dead, churn } = world
  const hostRate = (world.gbps * 1e9) / 8 / 1000
  const layerBytes = Math.ceil(world.size / layers)
  const pieceBytes = world.pieceSize ?? pieceSizeFor(layerBytes)
  const pieces = Math.ceil(layerBytes / pieceBytes)
  const still: SwarmOptions = {
    ...GIGABIT,
    seed,
    hosts,
    regions,
    caches,
    cacheRatio,
    zones,
    slow,
    dead,
    hostRate,
    blobs: Array.from({ length: layers }, (_, i) => ({ blob: i + 1, pieces, pieceBytes, order: i })),
    originRate: world.cached === true ? undefined : (world.originRatio ?? cacheRatio) * hostRate,
    latencyMs: world.rtt / 2,
    jitterMs: world.rtt / 10,
    // what yamux and the kernel let be on the way: enough for the round trip, at least a few blocks
    windowBytes: world.window ?? Math.max(MIB, 2 * pieceBytes, world.rtt * hostRate),
    bufferBytes: world.buffer,
    joinWithinMs: world.join,
  }
  if (churn === 0) return still
  const boundMs = imageBytes(still) / hostRate
  const leaveEveryMs = boundMs / (churn * hosts)
  return { ...still, faults: { ...NO_FAULTS, leaveEveryMs, awayMs: boundMs / 4, untilMs: boundMs } }
}
