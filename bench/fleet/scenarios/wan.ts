import { burstBound, swarmBound } from '../bounds.ts'
import { plainPlan } from '../plan.ts'
import type { Scenario } from './scenario.ts'
import { receivers } from './scenario.ts'

/** One way; the round trip is twice that. */
const DELAY_MS = 40
/** Of a host's rate. */
const LINK_SHARE = 0.5

/**
 * Two regions with a cache each; the far one's parent, and its way to the origin, lie behind a thin and slow link. Bound:
 * max(burst of the near region, F/u_link, swarm of the far region), for all run at once and cut through.
 */
export const wan: Scenario = {
  summary: `two regions, a link of half a host's rate and ${2 * DELAY_MS} ms between`,
  plan(options) {
    const plan = plainPlan(options)
    const near = Math.ceil(plan.hosts.length / 2)
    return {
      ...plan,
      hosts: plan.hosts.map((host, index) => ({ ...host, segment: index < near ? 'a' : 'b' })),
      wan: { mbps: options.mbps * LINK_SHARE, delayMs: DELAY_MS },
    }
  },
  async run(trial, options) {
    const { hosts, stage } = trial
    const near = hosts.filter(({ segment }) => segment === 'a')
    const far = hosts.filter(({ segment }) => segment === 'b')
    const times = await trial.pull(hosts)
    const link = stage.rates.link(options.mbps * LINK_SHARE)
    const nearNames = new Set(near.map(({ name }) => name))
    const nearLast = Math.max(...times.filter(({ name }) => nearNames.has(name)).map(({ at }) => at))
    const nearBound = burstBound(stage.rates, receivers(trial, near))
    return {
      seconds: times.map(({ seconds }) => seconds),
      last: Math.max(...times.map(({ at }) => at)),
      bound: Math.max(nearBound, stage.image.sizeBytes / link, swarmBound(stage.rates.cache, receivers(trial, far))),
      extra: { nearLast, nearBound, nearRatio: nearLast / nearBound },
    }
  },
}
