import { digestOf } from '../oci/digest.ts'
import { PieceLayout } from '../piece/piece-layout.ts'
import type { PeerLink } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Active } from './active.ts'
import type { Route, RouteRequest } from './source-picker.ts'

/** Hosts that stand in for the caches and have not kept their word, before the origin itself is asked: for one blob. */
const MOST_FALSE_STAND_INS = 2

/** Whether a link is to a host that is no cache: what it says as a home is a member's word, and no more. */
export function isStandIn({ peer }: PeerLink): boolean {
  return peer.role !== 'cache'
}

/** Whether an answer shows by itself that whoever gave it does not have the blob as it is known here. */
export function isFalse(route: Route, { ref, size }: RouteRequest): boolean {
  if (route.kind === 'bytes') return digestOf(route.bytes, ref.digest) !== ref.digest
  // a cache may know better
  if (route.kind !== 'swarm' || size === undefined || !isStandIn(route.link)) return false
  // what has one piece comes at once, and from no swarm
  return route.joined.size !== size || new PieceLayout(ref.digest, size).count <= 1
}

/**
 * Hosts that stand in for a region's caches and fail a transfer. Whether they could help it cannot be told, and need not be:
 * each is passed over at once, for all blobs, and after a few of them the transfer goes to the origin itself. So a
 * member that has made itself home gains some seconds, and no more.
 */
export class StandIns {
  readonly #tier: Pick<Tier, 'passOver'>
  readonly #failed = new WeakMap<Active, number>()

  constructor(tier: Pick<Tier, 'passOver'>) {
    this.#tier = tier
  }

  /** A transfer's home has failed it. False when that is a cache: then it is no matter of this. */
  forsaken(active: Active, home: PeerLink): boolean {
    if (!isStandIn(home)) return false
    this.#tier.passOver(home.peer.key)
    const failed = (this.#failed.get(active) ?? 0) + 1
    this.#failed.set(active, failed)
    if (failed >= MOST_FALSE_STAND_INS) active.passHomes()
    // what it said of hashes would keep out what others send
    active.transfer.pieceHashes.forgetWords()
    return true
  }

  /** Whether one has: then what has come may be as wrong as its word. */
  haveFailed(active: Active): boolean {
    return this.#failed.has(active)
  }
}
