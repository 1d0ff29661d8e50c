import { compareWithDirect } from '../baselines/direct.ts'
import { burstBound } from '../bounds.ts'
import type { FleetBenchOptions } from '../options.ts'
import type { StagePlan } from '../plan.ts'
import { plainPlan, spacedSizes } from '../plan.ts'
import type { Trial } from '../trial.ts'
import type { Scenario, ScenarioTimes } from './scenario.ts'
import { receivers } from './scenario.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** Bound: max(F/u_origin, F/d_cache, F/u_cache, F/d_min, N*F/(u_cache + sum u)). */
async function pullAtOnce(trial: Trial): Promise<ScenarioTimes> {
  const { hosts, stage } = trial
  const times = await trial.pull(hosts)
  return {
    seconds: times.map(({ seconds }) => seconds),
    last: Math.max(...times.map(({ at }) => at)),
    bound: burstBound(stage.rates, receivers(trial, hosts)),
  }
}

/** The rollout: nothing is cached anywhere, all hosts at once. */
export const burst: Scenario = {
  summary: 'nothing cached, all hosts at once',
  plan: plainPlan,
  run: pullAtOnce,
}

/** Many blobs of a piece or less: what counts is round trips. */
export const small: Scenario = {
  summary: 'burst of 40 layers of 4 KiB to 1 MiB',
  plan: withLayers(spacedSizes(40, 4 * KIB, MIB)),
  run: pullAtOnce,
  compare: compareWithDirect,
}

/** Blobs of every size together. */
export const layers: Scenario = {
  summary: 'burst of 12 layers of 1 KiB to 32 MiB',
  plan: withLayers(spacedSizes(12, KIB, 32 * MIB)),
  run: pullAtOnce,
}

function withLayers(layerSizes: readonly number[]): (options: FleetBenchOptions) => StagePlan {
  return (options) => ({ ...plainPlan(options), layerSizes })
}
