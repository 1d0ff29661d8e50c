import type { SimFile } from './results.ts'

/** Copies of the image that an origin gives, whatever happens. */
export const ORIGIN_COPIES_GOAL = 1.05
/** What an agent may hold during a burst. */
export const RSS_GOAL_MIB = 200
/** A scrape of `/metrics`, 99th percentile, at a busy agent and at the cache. */
export const SCRAPE_GOAL_MS = 250
/** An agent's CPU over the floor's. */
export const HOST_CPU_GOAL = 1.6
/** CPU seconds a GiB of an agent's busiest thread: what bounds it where there are cores enough. */
export const HOST_THREAD_GOAL = 0.8
/** Median, with a warm cache one hop away. */
export const FIRST_BYTE_GOAL_MS = 30
/** Letters and pings of a prewarm job, both ways, for each of its hosts: "a few". */
export const PREWARM_MESSAGES_GOAL = 3
/** The most that a cache with thousands of links and two million states may hold. */
export const PREWARM_RSS_GOAL_MIB = 4096

/** Last (healthy) host over bound: where nothing is broken and everybody starts at once, and where something is. */
const FLEET_GOALS: ReadonlyMap<string, number> = new Map([
  ['burst', 1.1],
  ['warm', 1.1],
  ...['rolling', 'late', 'churn', 'slow', 'dead', 'wan'].map((name) => [name, 1.25] as const),
])

/** Last host over the last host of the same pulls straight from the origin. */
const DIRECT_GOALS: ReadonlyMap<string, number> = new Map([
  ['tiny', 1.05],
  ['small', 1],
  ['lazy-start', 1],
])

/** A range of 64 KiB of a layer that nobody has, over the same range of its registry; medians. */
export const RANGE_OVER_DIRECT_GOAL = 2

/** With a tier or an origin that is no good: so many times as long as straight from the origin, and so many seconds more. */
const BAD_DAY = { times: 1.2, seconds: 10 }
const BAD_DAYS: readonly string[] = [
  ...['dead-cache', 'hanging-cache', 'sick-cache', 'lying-cache'],
  ...['slow-origin', 'late-origin'],
]

/** `directSeconds`: what the same pulls straight from the origin took, where that counts. */
export function directGoal(scenario: string, directSeconds?: number): number | undefined {
  if (!BAD_DAYS.includes(scenario)) return DIRECT_GOALS.get(scenario)
  return directSeconds === undefined ? undefined : BAD_DAY.times + BAD_DAY.seconds / directSeconds
}

export function fleetGoal(scenario: string): number | undefined {
  return FLEET_GOALS.get(scenario)
}

/** Hosts that leave in the middle have none: the last may have come back last. */
export function simGoal({ hosts, options }: SimFile): number | undefined {
  const { churn, dead, slow } = options
  if (churn > 0 || dead > 0.05 || slow > 0.01 || (dead > 0 && slow > 0)) return undefined
  if (dead > 0) return 1.35
  if (slow > 0) return 1.15
  return hosts === 1000 ? 1.06 : 1.1
}
