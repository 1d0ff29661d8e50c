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

export interface BenchOutput {
  say(what: string): void
  /** After each series: a result is not to be lost when a later one fails. */
  done(results: readonly SeriesResult[]): Promise<void>
}

/** Runs what the options name; what needs the same network shares it. Throws the first failure, after taking all down. */
export async function runBench(options: FleetBenchOptions, signal: AbortSignal, output: BenchOutput): Promise<void> {
  const results: SeriesResult[] = []
  for (const { plan, scenarios, baselines } of groupsOf(options)) {
    await using stage = await Stage.open(plan, signal, (what) => output.say(what))
    const { calibration } = stage
    output.say(`calibrated: host ${inMbps(calibration.host)}, cache ${inMbps(stage.rates.cache)} Mb/s of payload`)
    for (const name of scenarios) {
      output.say(`${name}: ${SCENARIO_TABLE[name].summary}`)
      results.push(seriesOf(await repeat(options, output, () => runScenario(name, stage, options))))
      await output.done(results)
    }
    for (const name of baselines) {
      const { summary, needs, installed } = BASELINE_TABLE[name]
      if (!(await installed())) {
        output.say(`${name}: left out, ${needs} is not installed`)
        continue
      }
      output.say(`${name}: ${summary}`)
      results.push(seriesOf(await repeat(options, output, () => measureBaseline(name, BASELINE_TABLE[name], stage))))
      await output.done(results)
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
  let result: RunResult
  {
    await using trial = await Trial.open(stage, stage.signal)
    result = await measureScenario(name, scenario, trial, options)
  }
  const compared = await scenario.compare?.(stage, { ...result, seconds: result.perHost, last: result.seconds.last })
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
