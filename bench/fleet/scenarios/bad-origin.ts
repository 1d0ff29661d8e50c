import { compareWithDirect } from '../baselines/direct.ts'
import { startRegistry } from '../baselines/docker-registry.ts'
import { burstBound } from '../bounds.ts'
import { plainPlan } from '../plan.ts'
import { startFront } from '../world.ts'
import type { Scenario } from './scenario.ts'
import { receivers } from './scenario.ts'

const SLOWNESS = 10
/** Before each answer: longer than a range once had to bring a piece, and than half of what runtimes wait for headers. */
const LATE_MS = 4_500
/** A manifest, then what it names. */
const ROUND_TRIPS = 2

/** An origin with a tenth of its link. Bound: as in burst, with that link. */
export const slowOrigin: Scenario = {
  summary: `two hosts, the origin at a ${SLOWNESS}th of its rate`,
  plan: (options) => plainPlan({ ...options, hosts: 2 }),
  world: async (stage) => ({
    [Symbol.asyncDispose]: () => stage.network.setUplink(stage.originHand.host, stage.plan.originMbps),
  }),
  prepare: ({ stage }) => stage.network.setUplink(stage.originHand.host, stage.plan.originMbps / SLOWNESS),
  async run(trial) {
    const { hosts, stage } = trial
    const times = await trial.pull(hosts)
    const origin = stage.rates.link(stage.plan.originMbps / SLOWNESS)
    return {
      seconds: times.map(({ seconds }) => seconds),
      last: Math.max(...times.map(({ at }) => at)),
      bound: burstBound({ origin, cache: stage.rates.cache }, receivers(trial, hosts)),
    }
  },
  compare: compareWithDirect,
}

/** A registry that takes its time for each answer. Bound: as in burst, after two answers. */
export const lateOrigin: Scenario = {
  summary: `two hosts, the origin begins each answer after ${LATE_MS / 1000} s`,
  plan: (options) => plainPlan({ ...options, hosts: 2 }),
  async world(stage) {
    await using stack = new AsyncDisposableStack()
    const registry = stack.use(await startRegistry(stage, stage.originHand, { root: stage.tree }))
    const front = stack.use(await startFront(stage.originHand, registry.url, { latencyMs: LATE_MS }))
    const owned = stack.move()
    return {
      originOf: () => ({ kind: 'registry', url: front.url }),
      registry: front.url,
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    }
  },
  async run(trial) {
    const { hosts, stage } = trial
    const times = await trial.pull(hosts)
    return {
      seconds: times.map(({ seconds }) => seconds),
      last: Math.max(...times.map(({ at }) => at)),
      bound: (ROUND_TRIPS * LATE_MS) / 1000 + burstBound(stage.rates, receivers(trial, hosts)),
    }
  },
  compare: compareWithDirect,
}
