import { compareWithDirect } from '../baselines/direct.ts'
import { plainPlan } from '../plan.ts'
import { burst } from './burst.ts'
import type { Scenario } from './scenario.ts'

/** Two hosts, where a swarm gains nothing: it must not cost anything either. Bound: as in burst. */
export const tiny: Scenario = {
  summary: 'two hosts: never slower than straight from the origin',
  plan: (options) => plainPlan({ ...options, hosts: 2 }),
  run: burst.run,
  compare: compareWithDirect,
}
