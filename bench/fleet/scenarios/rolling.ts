import { burstBound, rollingBound } from '../bounds.ts'
import { plainPlan } from '../plan.ts'
import type { Scenario } from './scenario.ts'
import { receivers, shareOf } from './scenario.ts'

const WAVE_SHARE = 0.2

/**
 * A rolling update: a fifth of the hosts at a time, the next when all of the last have everything. Bound: the sum over
 * waves, the first as in burst, the others with the finished hosts as sources: max(F/u, F/d, n*F/(u + sum u_wave)) with
 * u = u_cache + sum u_finished.
 */
export const rolling: Scenario = {
  summary: 'waves of a fifth of the hosts, one after another',
  plan: plainPlan,
  async run(trial) {
    const { hosts, stage } = trial
    const size = shareOf(hosts.length, WAVE_SHARE)
    const waves = Array.from({ length: Math.ceil(hosts.length / size) }, (_, index) =>
      hosts.slice(index * size, (index + 1) * size),
    )
    const seconds: number[] = []
    let last = 0
    for (const wave of waves) {
      const times = (await trial.pull(wave)).map((time) => time.seconds)
      seconds.push(...times)
      last += Math.max(...times)
    }
    const planned = waves.map((wave) => receivers(trial, wave))
    const [first] = planned
    const firstBound = first === undefined ? 0 : burstBound(stage.rates, first)
    return { seconds, last, bound: rollingBound(firstBound, stage.rates.cache, planned) }
  },
}
