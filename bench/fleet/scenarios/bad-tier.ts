import { compareWithDirect } from '../baselines/direct.ts'
import { swarmBound } from '../bounds.ts'
import { plainPlan } from '../plan.ts'
import type { Stage } from '../stage.ts'
import type { Trial } from '../trial.ts'
import { startFront } from '../world.ts'
import type { Scenario, ScenarioTimes } from './scenario.ts'
import { receivers } from './scenario.ts'

/** What is left of a sick cache's uplink: enough for answers, not for content. */
const SICK_MBPS = 0.064

/** The only cache is no good: hosts must come to the origin by themselves. Bound: max(F/u_origin, F/d_min, N*F/(u_origin + sum u)). */
async function pullWithoutHelp(trial: Trial, again = 0): Promise<ScenarioTimes> {
  const { hosts, stage } = trial
  const times = await trial.pull(hosts, again)
  return {
    seconds: times.map(({ seconds }) => seconds),
    last: Math.max(...times.map(({ at }) => at)),
    bound: swarmBound(stage.rates.origin, receivers(trial, hosts)),
  }
}

const common = {
  plan: (options) => plainPlan({ ...options, hosts: 2 }),
  run: (trial) => pullWithoutHelp(trial),
  compare: compareWithDirect,
} satisfies Partial<Scenario>

export const deadCache: Scenario = {
  ...common,
  summary: 'two hosts, the only cache is dead',
  prepare: (trial) => trial.kill(trial.caches, 'SIGKILL'),
}

export const hangingCache: Scenario = {
  ...common,
  summary: 'two hosts, the only cache accepts and never answers',
  prepare: (trial) => trial.kill(trial.caches, 'SIGSTOP'),
}

export const sickCache: Scenario = {
  ...common,
  summary: `two hosts, the only cache answers and sends ${SICK_MBPS * 1000} kb/s`,
  world: async (stage) => ({
    [Symbol.asyncDispose]: () => stage.network.setUplink(stage.cacheHand().host, stage.plan.cacheMbps),
  }),
  prepare: ({ stage }) => stage.network.setUplink(stage.cacheHand().host, SICK_MBPS),
}

export const lyingCache: Scenario = {
  ...common,
  summary: 'two hosts, the only cache reads wrong bytes and vouches for them (a pull cut by that begins anew)',
  // a prefix that was vouched for and wrong has gone out: no resume can make it good
  run: (trial) => pullWithoutHelp(trial, 3),
  async world(stage: Stage) {
    const parts = stage.image.layers.map(({ digest }) => `${digest.slice('sha256:'.length)}/data`)
    const front = await startFront(stage.cacheHand(), stage.origin.endpoint, { corrupt: parts })
    return {
      originOf: (role) => (role === 'cache' ? { ...stage.origin.agentConfig(), endpoint: front.url } : undefined),
      [Symbol.asyncDispose]: () => front[Symbol.asyncDispose](),
    }
  },
}
