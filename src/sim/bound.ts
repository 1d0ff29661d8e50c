/** The rates of one region, in bytes per millisecond. */
interface RegionRates {
  /** What the origin gives in all; infinite where the caches have everything. */
  readonly origin: number
  /** The region's share of what the caches above it send; infinite where there are none. */
  readonly parents: number
  /** All its caches together. */
  readonly caches: number
  readonly hosts: number
  /** Sum over the hosts. */
  readonly up: number
  readonly slowestDown: number
}

/** What the last host of a region waits for at least: each part of the way alone, in milliseconds. */
export interface Bounds {
  /** One copy out of the origin. */
  readonly origin: number
  /** One copy from the caches above. */
  readonly parents: number
  /** One copy out of the region's caches. */
  readonly caches: number
  /** One copy into a host. */
  readonly hosts: number
  /** A copy for each host out of the uplinks of all, caches' and hosts'. */
  readonly uplinks: number
}

/**
 * The fluid limit on the time until the last host has `bytes`: max(F/u_source, F/d_min, N F/(u_source + sum u_i))
 * (Kumar & Ross, HotWeb 2006). Stages pass pieces on as they come, so they compose by their maximum.
 */
export function boundsOf(bytes: number, { origin, parents, caches, hosts, up, slowestDown }: RegionRates): Bounds {
  return {
    origin: bytes / origin,
    parents: bytes / parents,
    caches: bytes / caches,
    hosts: bytes / slowestDown,
    uplinks: (hosts * bytes) / (caches + up),
  }
}

export function boundMs(bounds: Bounds): number {
  return Math.max(...Object.values(bounds))
}
