import { systemClock } from '../../../src/base/clock.ts'
import { ByteBudget } from '../../../src/swarm/byte-budget.ts'
import type { ControlChannelDeps } from '../../../src/swarm/control-channel.ts'
import { VOCABULARY } from '../../support/said.ts'

/** For a control channel that nobody else shares memory with. */
export function unbounded(): ControlChannelDeps {
  return { vocabulary: VOCABULARY, counted() {}, budget: new ByteBudget(Number.POSITIVE_INFINITY, systemClock) }
}
