import { swarmBound } from '../bounds.ts'
import { plainPlan } from '../plan.ts'
import { REFERENCE } from '../trial.ts'
import type { Scenario } from './scenario.ts'
import { receivers } from './scenario.ts'

/** The cache has the image, as after a prewarm or an earlier rollout. Bound: max(F/u_cache, F/d_min, N*F/(u_cache + sum u)). */
export const warm: Scenario = {
  summary: 'the cache has it, all hosts at once',
  plan: plainPlan,
  async prepare({ caches }) {
    for (const { hand, agent } of caches) await hand.pull(agent.mirrorUrl, REFERENCE)
  },
  async run(trial) {
    const { hosts, stage } = trial
    const times = await trial.pull(hosts)
    return {
      seconds: times.map(({ seconds }) => seconds),
      last: Math.max(...times.map(({ at }) => at)),
      bound: swarmBound(stage.rates.cache, receivers(trial, hosts)),
    }
  },
}
