import type { ScenarioName } from '../names.ts'
import { burst, layers, small } from './burst.ts'
import { churn } from './churn.ts'
import { dead } from './dead.ts'
import { late } from './late.ts'
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
}
