import type { Receivers } from '../bounds.ts'
import type { FleetBenchOptions } from '../options.ts'
import type { StagePlan } from '../plan.ts'
import type { Stage } from '../stage.ts'
import type { Trial, TrialNode } from '../trial.ts'
import type { World } from '../world.ts'

/** What a scenario found. All in seconds. */
export interface ScenarioTimes {
  /** Of every host that counts, since its own start. */
  readonly seconds: readonly number[]
  /** Until the last of them had everything, measured from where `bound` counts from. */
  readonly last: number
  /** What no protocol can beat, by the scenario's formula. */
  readonly bound: number
  readonly extra?: Readonly<Record<string, number>> | undefined
}

/** One way in which a fleet comes to pull an image. */
export interface Scenario {
  readonly summary: string
  plan(options: FleetBenchOptions): StagePlan
  /** Before the daemons start: what is different around them. Gone after the comparison. */
  world?(stage: Stage): Promise<World>
  /** Before the measurement: what is cached already, who is dead. */
  prepare?(trial: Trial): Promise<void>
  run(trial: Trial, options: FleetBenchOptions): Promise<ScenarioTimes>
  /** After the measurement, with the daemons gone: what the result is to be compared with. */
  compare?(stage: Stage, times: ScenarioTimes, world?: World): Promise<Readonly<Record<string, number>>>
}

/** `nodes` as receivers; `helpers` upload besides. */
export function receivers(
  { stage }: Trial,
  nodes: readonly TrialNode[],
  helpers: readonly TrialNode[] = [],
): Receivers {
  const rates = (some: readonly TrialNode[]): number[] => stage.rates.hosts(some.map(({ hand }) => hand.host))
  return { bytes: stage.image.sizeBytes, downloads: rates(nodes), uploads: rates([...nodes, ...helpers]) }
}

/** A share of all hosts, at least one. */
export function shareOf(count: number, share: number): number {
  return Math.max(1, Math.round(count * share))
}
