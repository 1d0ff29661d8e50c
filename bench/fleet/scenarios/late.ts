import { burstBound, joinBound } from '../bounds.ts'
import { plainPlan } from '../plan.ts'
import type { Scenario } from './scenario.ts'
import { receivers } from './scenario.ts'

/** When the others join, as a share of what a burst of all would take at best. */
const JOIN_SHARE = 0.5

/** Half of the hosts start midway. Bound, from the first start: max(burst of all, t_join + F/d). */
export const late: Scenario = {
  summary: 'half of the hosts start midway',
  plan: plainPlan,
  async run(trial) {
    const { hosts, stage } = trial
    const half = Math.ceil(hosts.length / 2)
    const whole = burstBound(stage.rates, receivers(trial, hosts))
    const early = trial.pull(hosts.slice(0, half))
    const joinAt = whole * JOIN_SHARE
    const joined = trial.until(joinAt).then(() => trial.pull(hosts.slice(half)))
    const times = (await Promise.all([early, joined])).flat()
    return {
      seconds: times.map(({ seconds }) => seconds),
      last: Math.max(...times.map(({ at }) => at)),
      bound: joinBound(whole, joinAt, receivers(trial, hosts.slice(half))),
    }
  },
}
