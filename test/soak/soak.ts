import { setTimeout as wait } from 'node:timers/promises'
import { z } from 'zod'
import { systemClock } from '../../src/base/clock.ts'
import { errorText } from '../../src/base/errors.ts'
import { retry } from '../../src/base/retry.ts'
import type { AgentProcess, PushedImage } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import { askPrewarm, prewarmEnded } from '../support/ask-prewarm.ts'
import { overload } from './overload.ts'
import type { Holding, Sample } from './sample.ts'
import { HOLDINGS, sampleOf } from './sample.ts'
import type { Point } from './slope.ts'
import { grows, slopeOf } from './slope.ts'

const MIB = 1024 * 1024
const IMAGE = { sizeBytes: 12 * MIB, layerCount: 3 }
const CACHES = 2
const AGENTS = 6
/** Rounds before anything is compared: code is compiled, pools and tables fill, the store reaches its capacity. */
const WARM_UP_ROUNDS = 4
/** Small, so that images leave again in every round. */
const STORE = { capacity: '128MiB', minFree: '1MiB' }
/** What is left of a burst leaves within this: kept connections, answers, tables. */
const REST_MS = 20_000
/** What may come of chance in an hour, as a share of the level. */
const SHARE_IN_AN_HOUR: Readonly<Record<Holding, number>> = { memory: 0.1, files: 0.1, sockets: 0.1 }
/** How much more than before the rounds may be held after them. */
const LEVEL_SHARE: Readonly<Record<Holding, number>> = { memory: 0.25, files: 0.25, sockets: 0.25 }
/** Files and sockets are few: so many more are none. */
const LEVEL_SLACK: Readonly<Record<Holding, number>> = { memory: 24, files: 8, sockets: 12 }

const perHolding = <T extends z.ZodType>(value: T) => z.object({ memory: value, files: value, sockets: value })
const pointSchema = z.object({ at: z.number(), value: z.number() })
const historySchema = z.object({
  name: z.string(),
  points: perHolding(z.array(pointSchema)),
  slopes: perHolding(z.object({ perMinute: z.number(), error: z.number() })),
})
/** What one daemon held over time, sampled at rest after each round. */
export type HostHistory = z.infer<typeof historySchema>

/** What `--json` leaves. */
export const resultSchema = z.object({
  minutes: z.number(),
  rounds: z.number(),
  hosts: z.array(historySchema),
  overload: z.object({
    statuses: z.record(z.string(), z.number()),
    pace: z.number(),
    metricsP99Ms: z.number(),
    metricsFailed: z.number(),
  }),
  /** What must not be; none is what is expected. */
  breaches: z.array(z.string()),
})
export type SoakResult = z.infer<typeof resultSchema>

/** Bursts and prewarms on a fleet of real daemons for so many minutes, then an overload. */
export async function soak(minutes: number, signal: AbortSignal, say: (what: string) => void): Promise<SoakResult> {
  await using fleet = await Fleet.start({
    regions: [{ name: 'default', caches: CACHES, agents: AGENTS }],
    config: () => ({ store: STORE, tags: { ttl: '1s' } }),
    signal,
  })
  const daemons = [...fleet.caches, ...fleet.agents]
  const breaches: string[] = []
  const samples = new Map<AgentProcess, { at: number; sample: Sample }[]>(daemons.map((daemon) => [daemon, []]))
  const startedAt = performance.now()
  const elapsed = (): number => (performance.now() - startedAt) / 60_000
  let rounds = 0
  for (; elapsed() < minutes || rounds < WARM_UP_ROUNDS + 3; rounds++) {
    await round(fleet, rounds).catch((error: unknown) => breaches.push(`round ${rounds}: ${errorText(error)}`))
    signal.throwIfAborted()
    await wait(REST_MS, undefined, { signal })
    if (rounds < WARM_UP_ROUNDS) continue
    for (const [daemon, kept] of samples) kept.push({ at: elapsed(), sample: await sampleOf(daemon.pid) })
    say(`round ${rounds} after ${elapsed().toFixed(1)} minutes`)
  }
  const hosts = daemons.map((daemon) => historyOf(daemon.name, samples.get(daemon) ?? []))
  breaches.push(...hosts.flatMap(growing))
  say('overload')
  const [agent] = fleet.agents
  const over = await overload(fleet, agent!, {
    known: await push(fleet, 'load/known:1', 1_000_000),
    calm: await push(fleet, 'load/calm:1', 1_000_001),
    hard: await push(fleet, 'load/hard:1', 1_000_002),
  })
  if (over.metricsFailed > 0) breaches.push(`/metrics did not answer ${over.metricsFailed} times in the overload`)
  await wait(REST_MS, undefined, { signal })
  const before = samples.get(agent!)?.at(-1)?.sample
  if (before !== undefined)
    breaches.push(...above(`${agent!.name} after the overload`, before, await sampleOf(agent!.pid)))
  for (const { name, process } of daemons) if (!process.running) breaches.push(`${name} ended by itself`)
  return { minutes: elapsed(), rounds, hosts, overload: over, breaches }
}

/** All pull one image at once; then a job brings another, which all pull as well. */
async function round(fleet: Fleet, number: number): Promise<void> {
  const burst = await push(fleet, `soak/burst-${number}:1`, 2 * number + 2)
  await Promise.all(fleet.agents.map((agent) => fleet.pull(agent, burst.reference)))
  const planned = await push(fleet, `soak/planned-${number}:1`, 2 * number + 3)
  const [cache] = fleet.caches
  const { id } = await askPrewarm(cache!, '', { method: 'POST', body: { images: [planned.reference] } })
  const { state } = await prewarmEnded(cache!, id)
  if (state !== 'done') throw new Error(`the job ended as ${state}`)
  await Promise.all(fleet.agents.map((agent) => fleet.pull(agent, planned.reference)))
}

/** The bucket's server may close a connection at the moment it is used again, and on a busy machine it does. */
function push(fleet: Fleet, name: string, seed: number): Promise<PushedImage> {
  return retry(() => fleet.push({ ...IMAGE, seed }, name), {
    clock: systemClock,
    waitsMs: [500, 2_000, 8_000, 20_000],
    signal: new AbortController().signal,
    isPassing: () => true,
  })
}

function historyOf(name: string, samples: readonly { readonly at: number; readonly sample: Sample }[]): HostHistory {
  const points = (what: Holding): Point[] => samples.map(({ at, sample }) => ({ at, value: sample[what] }))
  const all = { memory: points('memory'), files: points('files'), sockets: points('sockets') }
  const slopes = { memory: slopeOf(all.memory), files: slopeOf(all.files), sockets: slopeOf(all.sockets) }
  return { name, points: all, slopes }
}

function growing({ name, points, slopes }: HostHistory): string[] {
  return HOLDINGS.filter((what) => grows(points[what], SHARE_IN_AN_HOUR[what])).map(
    (what) => `${name}: ${what} grow by ${slopes[what].perMinute.toFixed(2)} a minute`,
  )
}

function above(whose: string, before: Sample, after: Sample): string[] {
  return HOLDINGS.filter((what) => after[what] > before[what] * (1 + LEVEL_SHARE[what]) + LEVEL_SLACK[what]).map(
    (what) => `${whose}: ${what} ${Math.round(before[what])} before, ${Math.round(after[what])} now`,
  )
}
