import type { PageHost, ZoneView } from '../../admin/index.ts'

/** Of one zone; the others are only counted. */
const MOST_HOSTS = 20
const MOST_ZONES = 50

export interface PlacedHost extends PageHost {
  readonly region: string
  readonly zone: string | null
}

/** Hosts by region and zone, the largest zone first; in it those at work first, the slowest of these before all. */
export function zonesOf(hosts: readonly PlacedHost[]): ZoneView[] {
  const zones = Map.groupBy(hosts, ({ region, zone }) => JSON.stringify([region, zone]))
  return [...zones.values()]
    .sort((a, b) => b.length - a.length)
    .slice(0, MOST_ZONES)
    .map((members) => ({
      region: members[0]!.region, // a group has a member
      zone: members[0]!.zone,
      hosts: members.length,
      sentPerSec: members.reduce((sum, { sentPerSec }) => sum + sentPerSec, 0),
      receivedPerSec: members.reduce((sum, { receivedPerSec }) => sum + receivedPerSec, 0),
      slowest: members
        .toSorted((a, b) => rank(a) - rank(b))
        .slice(0, MOST_HOSTS)
        .map(({ region: _, zone: __, ...host }) => host),
    }))
}

/** A host over whose link nothing moves is idle, not slow. */
function rank({ sentPerSec, receivedPerSec }: PlacedHost): number {
  const rate = sentPerSec + receivedPerSec
  return rate > 0 ? rate : Number.POSITIVE_INFINITY
}
