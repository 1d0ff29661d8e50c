/** The rates of one region, in bytes per millisecond. */
export interface RegionRates {
  /** What feeds its caches: the origin's uplink, or the region's share of the core's. */
  readonly feed: number
  /** All its caches together. */
  readonly caches: number
  readonly hosts: number
  /** Sum over the hosts. */
  readonly up: number
  readonly slowestDown: number
}

/**
 * The fluid limit on the time until the last host has `bytes`: max(F/u_source, F/d_min, N F/(u_source + sum u_i))
 * (Kumar & Ross, HotWeb 2006), in milliseconds. Stages pass pieces on as they come, so they compose by their maximum.
 */
export function boundMs(bytes: number, { feed, caches, hosts, up, slowestDown }: RegionRates): number {
  return Math.max(bytes / feed, bytes / caches, bytes / slowestDown, (hosts * bytes) / (caches + up))
}
