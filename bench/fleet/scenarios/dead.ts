import { burstBound } from '../bounds.ts'
import { plainPlan } from '../plan.ts'
import type { Scenario } from './scenario.ts'
import { receivers } from './scenario.ts'

const ONE_IN = 8
/** By then they have announced pieces and are asked for them. */
const STOPPED_AT_SHARE = 0.25

/**
 * One host in eight stops (SIGSTOP) after it has announced pieces: its kernel goes on accepting, nothing is ever sent. Bound:
 * as in burst, for the others, helped by the dead ones' uplinks.
 */
export const dead: Scenario = {
  summary: 'one host in eight accepts and never sends (the others count)',
  plan: plainPlan,
  async run(trial) {
    const { hosts, stage } = trial
    const victims = hosts.filter((_, index) => index % ONE_IN === 0)
    const alive = hosts.filter((_, index) => index % ONE_IN !== 0)
    const bound = burstBound(stage.rates, receivers(trial, alive, victims))
    const pulling = trial.pull(alive)
    trial.pullUnwatched(victims)
    const stopping = trial.until(bound * STOPPED_AT_SHARE).then(() => trial.kill(victims, 'SIGSTOP'))
    const [times] = await Promise.all([pulling, stopping])
    return {
      seconds: times.map(({ seconds }) => seconds),
      last: Math.max(...times.map(({ at }) => at)),
      bound,
      extra: { deadHosts: victims.length },
    }
  },
}
