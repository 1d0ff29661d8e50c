import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { errorText } from '../../src/base/errors.ts'
import { FAULT_TABLE } from './faults/index.ts'
import { HealthWatch } from './health-watch.ts'
import type { Images } from './images.ts'
import type { FaultName } from './names.ts'
import type { FaultEvent, Schedule } from './schedule.ts'
import type { Counts, Healed } from './traffic.ts'
import { pullEverything, Traffic } from './traffic.ts'
import { World } from './world.ts'

/** What one schedule did. */
export interface RunResult {
  readonly schedule: Schedule
  /** Those that found something to put wrong. */
  readonly fired: readonly FaultName[]
  /** Invariants that did not hold; none is what is expected. */
  readonly breaches: readonly string[]
  readonly pulls: Counts
  /** Until everything could be pulled everywhere, after the last fault. */
  readonly healed: Healed
  readonly slowestHealthMs: number
  /** How many times the content left the origin; undefined where nobody counts. */
  readonly originCopies: number | undefined
  /** Where the logs are, if something did not hold. */
  readonly logs: string | undefined
}

export interface RunSettings {
  readonly images: Images
  /** How long pulls and faults go on. */
  readonly seconds: number
  /** Ends the run in good order. */
  readonly signal: AbortSignal
}

/** What a fleet without faults may read of its origin: once, and what is asked for twice while a home is found. */
const ORIGIN_COPIES = 1.1

/** Runs a schedule on a fleet of its own. Rejects when the run itself fails, which says nothing of the fleet. */
export async function runSchedule(schedule: Schedule, { images, seconds, signal }: RunSettings): Promise<RunResult> {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-chaos-'))
  try {
    const freezes = schedule.events.some(({ fault }) => FAULT_TABLE[fault].freezes === true)
    await using world = await World.open({ origin: schedule.origin, freezes }, images, directory)
    signal.throwIfAborted()
    return await inWorld(world, schedule, seconds, signal)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function inWorld(world: World, schedule: Schedule, seconds: number, signal: AbortSignal): Promise<RunResult> {
  const startedAt = performance.now()
  const traffic = new Traffic(world, schedule.seed, seconds)
  const health = new HealthWatch(world.hosts)
  const fired: FaultName[] = []
  const until = (ms: number): Promise<void> =>
    wait(Math.max(0, startedAt + ms - performance.now()), undefined, { signal })
  const play = async ({ fault, atMs, forMs, draw }: FaultEvent): Promise<void> => {
    await until(atMs)
    const heal = await FAULT_TABLE[fault].inject(world, draw)
    if (heal === undefined) return
    fired.push(fault)
    await wait(forMs, undefined, { signal })
    await heal()
  }
  try {
    await Promise.all(schedule.events.map(play))
    await until(seconds * 1000)
  } finally {
    await Promise.all([world.origin.setFaults({}), ...world.hosts.map((host) => host.bringBack())])
  }
  const healed = await pullEverything(world)
  await Promise.all([traffic.end(), health.end()])
  const originCopies = await copies(world)
  const most = fired.reduce((sum, fault) => sum + FAULT_TABLE[fault].copies, ORIGIN_COPIES)
  const mayRefuse = fired.some((fault) => FAULT_TABLE[fault].refuses)
  const breaches = [
    ...traffic.breaches,
    ...(mayRefuse ? [] : traffic.refusals),
    ...health.breaches,
    ...healed.breaches,
    ...world.hosts.flatMap(({ name, breaches: all }) => all.map((breach) => `${name}: ${breach}`)),
    ...(originCopies !== undefined && originCopies > most
      ? [`the origin sent ${originCopies.toFixed(2)} copies; ${most.toFixed(1)} may come of these faults`]
      : []),
  ]
  return {
    schedule,
    fired,
    breaches,
    pulls: traffic.counts,
    healed,
    slowestHealthMs: health.slowestMs,
    originCopies,
    logs: breaches.length === 0 ? undefined : await writeLogs(world, schedule),
  }
}

async function copies(world: World): Promise<number | undefined> {
  const sent = await world.origin.sentBytes()
  const images = world.pushed.flatMap((pushed) => pushed.images)
  const all = images.flatMap(({ config, layers }) => [config, ...layers]).reduce((sum, { size }) => sum + size, 0)
  return sent === undefined ? undefined : sent / all
}

async function writeLogs(world: World, { seed }: Schedule): Promise<string | undefined> {
  const directory = join(tmpdir(), 'shoal-chaos-logs', `seed-${seed}`)
  try {
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory, { recursive: true })
    for (const { name, log } of world.hosts) await writeFile(join(directory, `${name}.log`), `${log.join('\n')}\n`)
    return directory
  } catch (error) {
    process.stderr.write(`chaos: the logs of seed ${seed} could not be kept: ${errorText(error)}\n`)
    return undefined
  }
}
