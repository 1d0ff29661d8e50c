import type { ManualClock } from '../../support/manual-clock.ts'
import { settle } from './memory-channel.ts'

/** Lets time pass, and what it has set off come to rest. */
export async function pass(clock: ManualClock, ms: number): Promise<void> {
  clock.advance(ms)
  await settle()
}
