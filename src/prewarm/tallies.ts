import type { JobRow, Tally } from './interface.ts'
import { isFinal } from './job.ts'
import type { Rollout } from './rollout.ts'

export interface KnownTallies {
  readonly rollout: Rollout
  /** What regions say; of this cache's own, what its leader says. */
  readonly tallies: ReadonlyMap<string, Tally>
}

/** What regions say of a job, this one (`own`) included; `rank` is this cache's place among the job's homes. */
export function talliesOf(
  { rollout, tallies }: KnownTallies,
  row: JobRow | undefined,
  own: string,
  rank: number,
): Map<string, Tally> {
  const all = new Map(tallies)
  const counted = rollout.tally()
  // a region that takes no part counts when it has read the origin for others
  const helps = row?.shares[own] === undefined && counted.originBytes > 0
  if (!rollout.hasRoster && !helps) return all
  const told = all.get(own)
  // hosts report to the job's leader and its standby; the others know what the leader says, and who was away, too
  const knowsBest = told === undefined || (rank < 2 && row !== undefined && !isFinal(row.state))
  return all.set(own, knowsBest || counted.haveBytes >= told.haveBytes ? counted : told)
}
