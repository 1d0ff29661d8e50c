import type { SimFile } from './results.ts'

/** Copies of the image that an origin gives, whatever happens. */
export const ORIGIN_COPIES_GOAL = 1.05
/** An agent's CPU over the floor's. */
export const HOST_CPU_GOAL = 1.6
/** Median, with a warm cache one hop away. */
export const FIRST_BYTE_GOAL_MS = 30

/** Last host over bound, where nothing is broken and everybody starts at once. */
const FLEET_GOALS: ReadonlyMap<string, number> = new Map([
  ['burst', 1.1],
  ['warm', 1.1],
])

export function fleetGoal(scenario: string): number | undefined {
  return FLEET_GOALS.get(scenario)
}

/** Hosts that leave in the middle have none: the last may have come back last. */
export function simGoal({ options }: SimFile): number | undefined {
  const { churn, dead, slow, cacheRatio } = options
  if (churn > 0 || dead > 0.05 || slow > 0.01 || (dead > 0 && slow > 0)) return undefined
  if (dead > 0) return 1.35
  if (slow > 0) return 1.15
  // a source no faster than a host has to send the first copy at half the fleet's pace
  return cacheRatio < 4 ? 1.2 : 1.1
}
