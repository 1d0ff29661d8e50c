import type { ScenarioName } from '../names.ts'
import { lateOrigin, slowOrigin } from './bad-origin.ts'
import { deadCache, hangingCache, lyingCache, sickCache } from './bad-tier.ts'
import { burst, layers, small } from './burst.ts'
import { churn } from './churn.ts'
import { dead } from './dead.ts'
import { late } from './late.ts'
import { lazyStart } from './lazy-start.ts'
import { noTier } from './no-tier.ts'
import { rolling } from './rolling.ts'
import type { Scenario } from './scenario.ts'
import { slow } from './slow.ts'
import { tiny } from './tiny.ts'
import { wan } from './wan.ts'
import { warm } from './warm.ts'

export const SCENARIO_TABLE: Readonly<Record<ScenarioName, Scenario>> = {
  burst,
  warm,
  rolling,
  late,
  churn,
  slow,
  dead,
  wan,
  small,
  layers,
  tiny,
  'no-tier': noTier,
  'dead-cache': deadCache,
  'hanging-cache': hangingCache,
  'sick-cache': sickCache,
  'lying-cache': lyingCache,
  'slow-origin': slowOrigin,
  'late-origin': lateOrigin,
  'lazy-start': lazyStart,
}
