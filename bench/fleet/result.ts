import { quantile } from '../../src/base/quantile.ts'
import type { GuardResult } from './guards.ts'
import type { ScenarioTimes } from './scenarios/scenario.ts'
import type { Timeline } from './timeline.ts'

export interface Quantiles {
  readonly p50: number
  readonly p99: number
}

/** One measured run of a scenario or baseline. Seconds, bytes; rates in megabits per second. */
export interface RunResult {
  readonly scenario: string
  readonly hosts: number
  readonly mbps: number
  readonly cacheMbps: number
  readonly originMbps: number
  readonly bytes: number
  readonly layers: number
  /** Payload that a host's link was measured to carry. */
  readonly calibratedMbps: number
  readonly calibratedCacheMbps: number
  readonly seconds: Quantiles & { readonly last: number }
  readonly perHost: readonly number[]
  readonly bound: number
  /** seconds.last over bound. */
  readonly ratio: number
  readonly originBytes: number
  /** originBytes over bytes: 1 is one copy. */
  readonly originRatio: number
  /** Undefined for baselines: the origin's registry does not count. */
  readonly originRequests: number | undefined
  /** What all nodes received, by where from; undefined for baselines. */
  readonly received: Readonly<Record<'peer' | 'home' | 'parent' | 'origin', number>> | undefined
  readonly cpu: {
    readonly busy: number
    readonly softirq: number
    readonly foreign: number
    /** CPU seconds: of one host's daemon (mean), of the cache's. */
    readonly agentSeconds: number | undefined
    readonly cacheSeconds: number | undefined
  }
  readonly rssMiB: { readonly max: number; readonly cache: number | undefined } | undefined
  /** How long /metrics took while the run was on, in milliseconds. */
  readonly scrapeMs: { readonly agent: Quantiles; readonly cache: Quantiles | undefined } | undefined
  readonly eventLoopP99Ms: number | undefined
  /** How full the links were all the time. */
  readonly timeline: Timeline
  readonly extra: Readonly<Record<string, number>>
  readonly guards: readonly GuardResult[]
  readonly valid: boolean
}

/** A scenario's runs; its own fields are those of the median run by time. */
export type SeriesResult = RunResult & { readonly runs: readonly RunResult[] }

export function timesOf({
  seconds,
  last,
  bound,
}: ScenarioTimes): Pick<RunResult, 'seconds' | 'perHost' | 'bound' | 'ratio'> {
  return {
    seconds: { p50: quantile(seconds, 0.5), p99: quantile(seconds, 0.99), last },
    perHost: seconds,
    bound,
    ratio: last / bound,
  }
}

/** The median of the valid runs, or of all where none is. */
export function seriesOf(runs: readonly RunResult[]): SeriesResult {
  const valid = runs.filter((run) => run.valid)
  const ordered = (valid.length > 0 ? valid : runs).toSorted((a, b) => a.seconds.last - b.seconds.last)
  const median = ordered[Math.floor((ordered.length - 1) / 2)]
  if (median === undefined) throw new RangeError('a series needs a run')
  return { ...median, runs }
}
