import type { JobRow, Tally } from './interface.ts'
import { isFinal } from './job.ts'
import type { RegionJob } from './region-job.ts'

export interface KnownTallies {
  readonly region: RegionJob
  /** What regions say; of this cache's own, what its head says. */
  readonly tallies: ReadonlyMap<string, Tally>
}

/** What regions say of a job, this one (`own`) included; `rank` is this cache's place among the job's homes. */
export function talliesOf(
  { region, tallies }: KnownTallies,
  row: JobRow | undefined,
  own: string,
  rank: number,
): Map<string, Tally> {
  const all = new Map(tallies)
  const counted = region.tally()
  // a region that takes no part counts when it has read the origin for others
  const helps = row?.shares[own] === undefined && counted.originBytes > 0
  if (!region.hasRoster && !helps) return all
  const told = all.get(own)
  // hosts report to the job's head and its stand-in; the others know what the head says, and who was away, too
  const knowsBest = told === undefined || (rank < 2 && row !== undefined && !isFinal(row.state))
  return all.set(own, knowsBest || counted.haveBytes >= told.haveBytes ? counted : told)
}
