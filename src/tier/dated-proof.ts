import type { Clock } from '../base/clock.ts'
import type { AddressProof } from '../swarm/index.ts'

/** An hour's signatures are made once: a cache says the same to all others. */
export const ROUND_MS = 3_600_000
/** By then an address may be another host's. */
const MAX_AGE_MS = 7 * 24 * 3_600_000
/** How far apart the clocks of hosts may be, and the hour that is not over. */
const MAX_SKEW_MS = 600_000

/** What a proof made now is dated (epoch ms): the hour. */
export function proofDate(clock: Pick<Clock, 'wall'>): number {
  return Math.floor(clock.wall() / ROUND_MS) * ROUND_MS
}

/** Whether what a cache has signed is of this region, and not too old to count. */
export function isCurrent(
  proof: Pick<AddressProof, 'region' | 'atMs'>,
  region: string,
  clock: Pick<Clock, 'wall'>,
): boolean {
  const age = clock.wall() - proof.atMs
  return proof.region === region && age <= MAX_AGE_MS && age >= -MAX_SKEW_MS
}
