import { hash53, pairHash } from './hash.ts'

/**
 * Neighbours a host keeps in one blob's swarm: more cost messages, and their requests pile up at the same few; with fewer,
 * some that never answer cost more. Simulated, 300 hosts at 10 Gb/s: 1.036 of the bound with twelve, 1.038 with fourteen,
 * 1.042 with sixteen; where 5 % never answer 1.29, 1.22 and 1.23.
 */
export const NEIGHBOURS_MOST = 14
/** Of these, from other zones: enough that the zones' swarms are one. */
export const FAR_MOST = 3
/** Of these, from one address that is not a host's own: names that rank low can be made by the thousand, addresses cannot. */
export const CROWD_MOST = 4

/** A host's place in the neighbour graph. */
export interface Place {
  readonly zone: string | null
  /** `placeHash` of its name. */
  readonly hash: number
  /** Whom its address belongs to; undefined where that is not known, as in simulations. */
  readonly group?: string | undefined
}

/** Where a host stands in the neighbour graph, by its name. */
export function placeHash(id: string): number {
  return hash53(id) >>> 0
}

/** Whether `other` is in the zone of `self`; without a zone of its own everybody is. */
export function isNear(self: Place, other: Place): boolean {
  return self.zone === null || other.zone === self.zone
}

/** Whether a host is one of those that are counted by their address: not one that shares it with `self`, as behind one gateway. */
export function isCrowd(self: Place, other: Place): boolean {
  return other.group !== undefined && other.group !== self.group
}

/** The lower, the sooner two hosts are neighbours: the same seen from either. */
export function rank(self: Place, other: Place): number {
  return pairHash(self.hash, other.hash)
}

/**
 * Whom a host with too many neighbours gives up; undefined while it may keep them all. As everybody keeps the lowest
 * ranks, the graph over all hosts is random whatever the order they came in. Those who came first kept whom they met first
 * before: simulated, 1000 hosts at once, the first pieces went round among early comers; 1.11 of the bound, now 1.06.
 */
export function oneTooMany<T extends Place>(self: Place, neighbours: readonly T[]): T | undefined {
  if (neighbours.length <= NEIGHBOURS_MOST) return undefined
  const farthest = (some: readonly T[]): T =>
    some.reduce((worst, other) => (rank(self, other) > rank(self, worst) ? other : worst))
  const crowd = largestCrowd(self, neighbours)
  if (crowd.length > CROWD_MOST) return farthest(crowd)
  const far = neighbours.filter((other) => !isNear(self, other))
  const from = far.length > FAR_MOST ? far : neighbours.filter((other) => isNear(self, other))
  return farthest(from)
}

function largestCrowd<T extends Place>(self: Place, neighbours: readonly T[]): readonly T[] {
  const crowds = Map.groupBy(
    neighbours.filter((other) => isCrowd(self, other)),
    ({ group }) => group,
  )
  let largest: readonly T[] = []
  for (const crowd of crowds.values()) if (crowd.length > largest.length) largest = crowd
  return largest
}
