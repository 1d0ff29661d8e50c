import type { FaultEvent, Schedule, ScheduleLimits } from './schedule.ts'

/**
 * Leaves out what does not matter of a failing schedule: one fault after another, the last first, as long as it still fails
 * without it. `fails` is asked once for each fault.
 */
export async function shrink(schedule: Schedule, fails: (smaller: Schedule) => Promise<boolean>): Promise<Schedule> {
  let smallest = schedule
  for (const event of schedule.events.toReversed()) {
    const events: FaultEvent[] = smallest.events.filter((one) => one !== event)
    if (events.length === 0) break
    const smaller = { ...smallest, events }
    if (await fails(smaller)) smallest = smaller
  }
  return smallest
}

/** The command that plays a schedule again. */
export function replayCommand({ seed, events }: Schedule, { seconds, faults, among }: ScheduleLimits): string {
  const numbers = events.map(({ number }) => number).join(',')
  const from = among === undefined ? '' : ` --among ${among.join(',')}`
  return `npm run chaos -- --seeds ${seed} --seconds ${seconds} --faults ${faults.join('-')}${from} --only ${numbers}`
}
