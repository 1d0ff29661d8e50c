import { seededRng } from '../../src/base/rng.ts'
import type { FaultName, OriginKind } from './names.ts'
import { FAULTS, ORIGINS } from './names.ts'

/** One fault of a run. */
export interface FaultEvent {
  /** Its place in the schedule: what `--only` names it by. */
  readonly number: number
  readonly fault: FaultName
  /** Since the first pull. */
  readonly atMs: number
  /** Until it is healed. */
  readonly forMs: number
  /** Chooses the host, and whatever else the fault leaves open: in [0, 1). */
  readonly draw: number
}

/** What a seed makes happen; the same at every run. */
export interface Schedule {
  readonly seed: number
  readonly origin: OriginKind
  readonly events: readonly FaultEvent[]
}

export interface ScheduleLimits {
  /** How long pulls and faults go on. */
  readonly seconds: number
  /** Faults in a run, at least and at most. */
  readonly faults: readonly [least: number, most: number]
  /** Which faults there are; all by default. */
  readonly among?: readonly FaultName[] | undefined
}

/** The first fault waits until pulls are under way, and the last begins while there is time to see what it does. */
const FIRST_AT_MS = 500
const LAST_AT = 0.7
const FOR_MS: readonly [least: number, most: number] = [1_500, 6_000]

/**
 * Seeds that follow each other share the faults out: each goes on in an endless row of them where the seed before it stops,
 * and the row has every fault once before it has one again, each time in another order. So few seeds leave none out.
 */
export function scheduleOf(seed: number, { seconds, faults: [least, most], among = FAULTS }: ScheduleLimits): Schedule {
  const rng = seededRng(Math.imul(seed, 0x9e3779b1))
  const origin = ORIGINS[rng.below(ORIGINS.length)]!
  const events = Array.from({ length: least + rng.below(most - least + 1) }, (_, index) => ({
    fault: inRow(among, seed * most + index),
    atMs: Math.round(FIRST_AT_MS + rng.next() * seconds * 1000 * LAST_AT),
    forMs: Math.round(FOR_MS[0] + rng.next() * (FOR_MS[1] - FOR_MS[0])),
    draw: rng.next(),
  }))
  events.sort((a, b) => a.atMs - b.atMs)
  return { seed, origin, events: events.map((event, number) => ({ number, ...event })) }
}

/** The fault at a place of the endless row. */
function inRow(among: readonly FaultName[], place: number): FaultName {
  const round = Math.floor(place / among.length)
  const rng = seededRng(Math.imul(round + 1, 0x85ebca6b))
  const order = [...among]
  for (let i = order.length - 1; i > 0; i--) {
    const j = rng.below(i + 1)
    const [one, other] = [order[i]!, order[j]!]
    order[i] = other
    order[j] = one
  }
  return order[place % among.length]!
}

/** With only those of its faults. */
export function only(schedule: Schedule, numbers: readonly number[]): Schedule {
  return { ...schedule, events: schedule.events.filter(({ number }) => numbers.includes(number)) }
}
