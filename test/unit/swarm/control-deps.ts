import { systemClock } from '../../../src/base/clock.ts'
import { ByteBudget } from '../../../src/swarm/byte-budget.ts'
import type { ControlChannelDeps } from '../../../src/swarm/control-channel.ts'

/** For a control channel that nobody else shares memory with. */
export function unbounded(): ControlChannelDeps {
  return { counted() {}, budget: new ByteBudget(Number.POSITIVE_INFINITY, systemClock) }
}
