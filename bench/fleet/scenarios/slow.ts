import { burstBound } from '../bounds.ts'
import { plainPlan } from '../plan.ts'
import type { Scenario } from './scenario.ts'
import { receivers } from './scenario.ts'

const ONE_IN = 8
const SLOWNESS = 10

/**
 * One host in eight has a tenth of the rate, both ways. It pulls too, but only the others count and are waited for: they
 * should not notice. Bound: as in burst, for the others, helped by the slow ones' uplinks.
 */
export const slow: Scenario = {
  summary: 'one host in eight at a tenth of the rate (the others count)',
  plan(options) {
    const plan = plainPlan(options)
    const hosts = plan.hosts.map((host, index) => (isSlow(index) ? { ...host, mbps: host.mbps / SLOWNESS } : host))
    return { ...plan, hosts }
  },
  async run(trial) {
    const { hosts, stage } = trial
    const slowHosts = hosts.filter((_, index) => isSlow(index))
    const fast = hosts.filter((_, index) => !isSlow(index))
    const pulling = trial.pull(fast)
    trial.pullUnwatched(slowHosts)
    const times = await pulling
    return {
      seconds: times.map(({ seconds }) => seconds),
      last: Math.max(...times.map(({ at }) => at)),
      bound: burstBound(stage.rates, receivers(trial, fast, slowHosts)),
      extra: { slowHosts: slowHosts.length },
    }
  },
}

/** The first of each eight, so that small fleets have one as well. */
function isSlow(index: number): boolean {
  return index % ONE_IN === 0
}
