import { swarmBound } from '../bounds.ts'
import { plainPlan } from '../plan.ts'
import type { Scenario } from './scenario.ts'
import { receivers } from './scenario.ts'

/**
 * All caches have died just before: hosts must take turns at the origin instead of falling upon it. Bound:
 * max(F/u_origin, F/d_min, N*F/(u_origin + sum u)).
 */
export const noTier: Scenario = {
  summary: 'all caches dead',
  plan: plainPlan,
  async prepare(trial) {
    await trial.kill(trial.caches, 'SIGKILL')
  },
  async run(trial) {
    const { hosts, stage } = trial
    const times = await trial.pull(hosts)
    return {
      seconds: times.map(({ seconds }) => seconds),
      last: Math.max(...times.map(({ at }) => at)),
      bound: swarmBound(stage.rates.origin, receivers(trial, hosts)),
    }
  },
}
