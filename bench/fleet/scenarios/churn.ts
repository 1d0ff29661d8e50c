import { burstBound, joinBound } from '../bounds.ts'
import { plainPlan } from '../plan.ts'
import type { Scenario } from './scenario.ts'
import { receivers, shareOf } from './scenario.ts'

const KILLED_SHARE = 0.1
const MIDWAY = 0.5

/**
 * A tenth of the hosts is killed (SIGKILL) midway, and as many others start then. Those killed do not count. Bound, from the
 * first start: max(burst of all that end with everything, helped by those killed; t_join + F/d).
 */
export const churn: Scenario = {
  summary: 'a tenth of the hosts is killed midway, as many others join',
  plan(options) {
    const reserve = shareOf(options.hosts, KILLED_SHARE)
    return plainPlan({ ...options, hosts: options.hosts + reserve })
  },
  async run(trial, options) {
    const { stage } = trial
    const count = trial.hosts.length - options.hosts
    const victims = trial.hosts.slice(0, count)
    const stayers = trial.hosts.slice(count, options.hosts)
    const joiners = trial.hosts.slice(options.hosts)
    const whole = burstBound(stage.rates, receivers(trial, [...stayers, ...joiners], victims))
    const staying = trial.pull(stayers)
    trial.pullUnwatched(victims)
    const joinAt = whole * MIDWAY
    const joined = trial.until(joinAt).then(async () => {
      await trial.kill(victims, 'SIGKILL')
      return trial.pull(joiners)
    })
    const times = (await Promise.all([staying, joined])).flat()
    return {
      seconds: times.map(({ seconds }) => seconds),
      last: Math.max(...times.map(({ at }) => at)),
      bound: joinBound(whole, joinAt, receivers(trial, joiners)),
      extra: { killed: count, joined: joiners.length },
    }
  },
}
