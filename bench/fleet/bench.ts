import { errorText } from '../../src/base/errors.ts'
import { BASELINE_TABLE } from './baselines/index.ts'
import { measureBaseline, measureScenario } from './measure.ts'
import type { BaselineName, ScenarioName } from './names.ts'
import type { FleetBenchOptions } from './options.ts'
import type { StagePlan } from './plan.ts'
import { plainPlan } from './plan.ts'
import type { RunResult, SeriesResult } from './result.ts'
import { seriesOf } from './result.ts'
import { SCENARIO_TABLE } from './scenarios/index.ts'
import { Stage } from './stage.ts'
import { Trial } from './trial.ts'

interface Group {
  readonly plan: StagePlan
  readonly scenarios: ScenarioName[]
  readonly baselines: BaselineName[]
}

/** A scenario or baseline that could not be run to its end. */
export interface Failure {
  readonly scenario: string
  readonly error: string
}

export interface BenchOutput {
  say(what: string): void
  /** After each series: results are not to be lost when a later one fails. */
  done(results: readonly SeriesResult[], failures: readonly Failure[]): Promise<void>
}

/**
 * Runs what the options name; what needs the same network shares it. A scenario that fails does not keep the others from
 * running. Throws the signal's reason, and what makes the network impossible, after taking all down.
 */
export async function runBench(options: FleetBenchOptions, signal: AbortSignal, output: BenchOutput): Promise<void> {
  const results: SeriesResult[] = []
  const failures: Failure[] = []
  const add = async (name: string, summary: string, run: () => Promise<RunResult>): Promise<void> => {
    output.say(`${name}: ${summary}`)
    try {
      results.push(seriesOf(await repeat(options, output, run)))
    } catch (error) {
      signal.throwIfAborted()
      output.say(`${name}: FAILED: ${errorText(error)}`)
      failures.push({ scenario: name, error: errorText(error) })
    }
    await output.done(results, failures)
  }
  for (const { plan, scenarios, baselines } of groupsOf(options)) {
    await using stage = await Stage.open(plan, signal, (what) => output.say(what))
    const { calibration, rates } = stage
    output.say(`calibrated: host ${inMbps(calibration.host)}, cache ${inMbps(rates.cache)} Mb/s of payload`)
    for (const name of scenarios) {
      await add(name, SCENARIO_TABLE[name].summary, () => runScenario(name, stage, options))
    }
    for (const name of baselines) {
      const baseline = BASELINE_TABLE[name]
      if (await baseline.installed()) await add(name, baseline.summary, () => measureBaseline(name, baseline, stage))
      else output.say(`${name}: left out, ${baseline.needs} is not installed`)
    }
  }
}

async function repeat(
  { runs }: FleetBenchOptions,
  output: BenchOutput,
  run: () => Promise<RunResult>,
): Promise<RunResult[]> {
  const results: RunResult[] = []
  for (let count = 0; count < runs; count++) {
    const result = await run()
    const { scenario, seconds, bound, ratio, valid } = result
    const verdict = valid ? '' : ' INVALID'
    output.say(
      `${scenario}: last ${seconds.last.toFixed(2)} s, bound ${bound.toFixed(2)} s, ratio ${ratio.toFixed(3)}${verdict}`,
    )
    results.push(result)
  }
  return results
}

async function runScenario(name: ScenarioName, stage: Stage, options: FleetBenchOptions): Promise<RunResult> {
  const scenario = SCENARIO_TABLE[name]
  await using world = await scenario.world?.(stage)
  let result: RunResult
  {
    await using trial = await Trial.open(stage, stage.signal, world)
    result = await measureScenario(name, scenario, trial, options)
  }
  const times = { ...result, seconds: result.perHost, last: result.seconds.last }
  const compared = await scenario.compare?.(stage, times, world)
  return compared === undefined ? result : { ...result, extra: { ...result.extra, ...compared } }
}

/** Baselines run where the plain scenarios do, in namespaces of their own only when none of those is wanted. */
function groupsOf(options: FleetBenchOptions): Group[] {
  const groups: Group[] = []
  const groupFor = (plan: StagePlan): Group => {
    const same = groups.find((group) => JSON.stringify(group.plan) === JSON.stringify(plan))
    if (same !== undefined) return same
    const group: Group = { plan, scenarios: [], baselines: [] }
    groups.push(group)
    return group
  }
  for (const name of options.scenarios) groupFor(SCENARIO_TABLE[name].plan(options)).scenarios.push(name)
  if (options.baselines.length > 0) groupFor(plainPlan(options)).baselines.push(...options.baselines)
  return groups
}

function inMbps(bytesPerSec: number): string {
  return ((bytesPerSec * 8) / 1e6).toFixed(2)
}
