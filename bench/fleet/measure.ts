import { quantile } from '../../src/base/quantile.ts'
import type { CpuUsage } from '../support/cpu-usage.ts'
import { CpuMeter, peakRssBytes } from '../support/cpu-usage.ts'
import type { Baseline } from './baselines/baseline.ts'
import { GOODPUT, goodput } from './calibration.ts'
import type { GuardResult } from './guards.ts'
import { checkGuards } from './guards.ts'
import { LinkWatch, WATCH_EVERY_MS } from './link-watch.ts'
import type { FleetBenchOptions } from './options.ts'
import type { Quantiles, RunResult } from './result.ts'
import { timesOf } from './result.ts'
import type { Scenario, ScenarioTimes } from './scenarios/scenario.ts'
import type { Stage } from './stage.ts'
import type { Timeline, TrafficSample } from './timeline.ts'
import { timelineOf } from './timeline.ts'
import type { Trial, TrialNode } from './trial.ts'

const SCRAPE_EVERY_MS = 500
const MIB = 1024 * 1024
const SOURCES = ['peer', 'home', 'parent', 'origin'] as const

/** Runs a scenario on fresh daemons and measures everything around it. */
export async function measureScenario(
  name: string,
  scenario: Scenario,
  trial: Trial,
  options: FleetBenchOptions,
): Promise<RunResult> {
  const { stage } = trial
  await scenario.prepare?.(trial)
  await stage.origin.resetCounters()
  // The last host, for scenarios do things to the first ones.
  const watched = [trial.hosts.at(-1), trial.caches[0]].map((node) => (isUp(trial, node) ? node : undefined))
  const before = await Promise.all(trial.nodes.filter((node) => isUp(trial, node)).map(nodeNumbers))
  for (const node of watched) await node?.hand.watch(`${node.agent.adminUrl}/metrics`, SCRAPE_EVERY_MS)
  const run = await metered(stage, trial, () => scenario.run(trial, options))
  const { result: times, cpu, timeline } = run
  const [agentScrapes, cacheScrapes] = await Promise.all(watched.map((node) => node?.hand.unwatch()))
  const counted = await stage.origin.counters()
  const nodes = await Promise.all(trial.nodes.filter((node) => isUp(trial, node)).map(nodeNumbers))
  const eventLoopP99Ms = Math.max(...nodes.map((node) => node.eventLoopP99Ms))
  const guards = guardsOf(stage, run, eventLoopP99Ms)
  const agents = nodes.filter(({ role }) => role === 'agent')
  const cache = nodes.find(({ role }) => role === 'cache')
  const agentSeconds = agents.map(({ name: agent }) => cpu.seconds[agent] ?? 0)
  const received = receivedSince(before, nodes)
  // where the daemons read another origin than the stage's bucket, they are who counts
  const isElsewhere = counted.requests === 0
  const originBytes = isElsewhere ? received.origin : counted.bytes
  return {
    ...common(name, stage, times),
    originBytes,
    originRatio: originBytes / stage.image.sizeBytes,
    originRequests: isElsewhere ? undefined : counted.requests,
    received,
    cpu: {
      busy: cpu.busy,
      softirq: cpu.softirq,
      foreign: cpu.foreign,
      agentSeconds: agentSeconds.reduce((sum, one) => sum + one, 0) / Math.max(1, agentSeconds.length),
      cacheSeconds: cache === undefined ? undefined : cpu.seconds[cache.name],
    },
    rssMiB: { max: Math.max(...agents.map(({ rss }) => rss)) / MIB, cache: cache && cache.rss / MIB },
    scrapeMs: { agent: quantilesOf(agentScrapes ?? []), cache: cacheScrapes && quantilesOf(cacheScrapes) },
    eventLoopP99Ms,
    timeline,
    guards,
    valid: guards.every(({ holds }) => holds),
  }
}

export async function measureBaseline(name: string, baseline: Baseline, stage: Stage): Promise<RunResult> {
  const before = await stage.network.sentBytes(stage.originHand.host)
  const run = await metered(stage, undefined, () => baseline.run(stage))
  const { result: times, cpu, timeline } = run
  const sent = (await stage.network.sentBytes(stage.originHand.host)) - before
  const originBytes = Math.round(sent * GOODPUT)
  const everything = guardsOf(stage, run, undefined)
  // Its processes come and go inside: they cannot be told from other work, nor one from another.
  const guards = everything.filter(({ guard }) => guard !== 'CPU used by others')
  return {
    ...common(name, stage, times),
    originBytes,
    originRatio: originBytes / stage.image.sizeBytes,
    originRequests: undefined,
    received: undefined,
    cpu: {
      busy: cpu.busy,
      softirq: cpu.softirq,
      foreign: cpu.foreign,
      agentSeconds: undefined,
      cacheSeconds: undefined,
    },
    rssMiB: undefined,
    scrapeMs: undefined,
    eventLoopP99Ms: undefined,
    timeline,
    guards,
    valid: guards.every(({ holds }) => holds),
  }
}

interface Metered<T> {
  readonly result: T
  readonly cpu: CpuUsage
  readonly mostOverlimits: number
  readonly timeline: Timeline
}

/** Runs something with the machine's CPU and the links' shapers watched. */
async function metered<T>(stage: Stage, trial: Trial | undefined, run: () => Promise<T>): Promise<Metered<T>> {
  const pids = new Map([
    ['the bench', process.pid],
    ['the origin', stage.origin.process.pid],
    ...[stage.originHand, stage.cacheHand(), ...stage.hostHands].map(
      ({ host, pid }) => [`the client on ${host.name}`, pid] as const,
    ),
    ...(trial?.nodes.map(({ name, agent }) => [name, agent.pid] as const) ?? []),
    ...(stage.relay === undefined ? [] : [['the relay', stage.relay.process.pid] as const]),
  ])
  const before = await shaperCounts(stage)
  const meter = CpuMeter.start(pids)
  const watch = LinkWatch.start(stage.network)
  const result = await run().finally(() => watch[Symbol.asyncDispose]())
  const cpu = meter.stop()
  const after = await shaperCounts(stage)
  const mostOverlimits = Math.max(...after.map((count, index) => count - (before[index] ?? 0)))
  return { result, cpu, mostOverlimits, timeline: timelineFrom(stage, watch.samples) }
}

/** Of all links that have a rate; what leaves the origin and the cache besides what comes to hosts. */
function timelineFrom({ network, hostHands, rates }: Stage, samples: readonly TrafficSample[]): Timeline {
  const perMs = new Map(
    network.hosts
      .filter(({ mbps }) => mbps > 0)
      .map(({ name, mbps }) => [name, { up: rates.link(mbps) / 1_000, down: rates.wire(mbps) / 1_000 }]),
  )
  const receivers = new Set(hostHands.map(({ host }) => host.name))
  return timelineOf(samples, perMs, WATCH_EVERY_MS, receivers)
}

/** Of the ways that content takes: out of the origin, out of the cache, into the hosts. */
async function shaperCounts(stage: Stage): Promise<number[]> {
  const { network, originHand, hostHands } = stage
  const sources = [originHand, stage.cacheHand()].map(async ({ host }) => (await network.overlimits(host)).up)
  const sinks = hostHands.map(async ({ host }) => (await network.overlimits(host)).down)
  return Promise.all([...sources, ...sinks])
}

function common(
  scenario: string,
  stage: Stage,
  times: ScenarioTimes,
): Pick<
  RunResult,
  | 'scenario'
  | 'hosts'
  | 'mbps'
  | 'cacheMbps'
  | 'originMbps'
  | 'bytes'
  | 'layers'
  | 'calibratedMbps'
  | 'calibratedCacheMbps'
  | 'seconds'
  | 'perHost'
  | 'bound'
  | 'ratio'
  | 'extra'
> {
  const { plan, image, calibration } = stage
  return {
    scenario,
    hosts: times.seconds.length,
    mbps: Math.max(...plan.hosts.map(({ mbps }) => mbps)),
    cacheMbps: plan.cacheMbps,
    originMbps: plan.originMbps,
    bytes: image.sizeBytes,
    layers: image.layers.length,
    calibratedMbps: (calibration.host * 8) / 1e6,
    calibratedCacheMbps: (stage.rates.cache * 8) / 1e6,
    ...timesOf(times),
    extra: times.extra ?? {},
  }
}

function guardsOf(
  { calibration, plan }: Stage,
  { cpu, mostOverlimits }: Metered<unknown>,
  eventLoopP99Ms: number | undefined,
): GuardResult[] {
  const expectedHostRate = goodput(Math.max(...plan.hosts.map(({ mbps }) => mbps)))
  return checkGuards({ cpu, calibration, expectedHostRate, mostOverlimits, eventLoopP99Ms })
}

interface NodeNumbers {
  readonly name: string
  readonly role: 'agent' | 'cache'
  readonly rss: number
  readonly eventLoopP99Ms: number
  readonly received: Readonly<Record<(typeof SOURCES)[number], number>>
}

async function nodeNumbers({ name, agent }: TrialNode): Promise<NodeNumbers> {
  const metrics = await agent.metrics()
  const from = (source: string): number => metrics.sum('shoal_received_bytes_total', { from: source })
  return {
    name,
    role: agent.role,
    rss: peakRssBytes(agent.pid) ?? 0,
    eventLoopP99Ms: metrics.sum('nodejs_eventloop_lag_p99_seconds') * 1000,
    received: { peer: from('peer'), home: from('home'), parent: from('parent'), origin: from('origin') },
  }
}

/** By those that are still there at the end. */
function receivedSince(before: readonly NodeNumbers[], after: readonly NodeNumbers[]): NodeNumbers['received'] {
  const total = { peer: 0, home: 0, parent: 0, origin: 0 }
  for (const { name, received } of after) {
    const earlier = before.find((node) => node.name === name)?.received
    for (const source of SOURCES) total[source] += received[source] - (earlier?.[source] ?? 0)
  }
  return total
}

function isUp(trial: Trial, node: TrialNode | undefined): node is TrialNode {
  return node !== undefined && !trial.down.has(node)
}

function quantilesOf(values: readonly number[]): Quantiles {
  return { p50: quantile(values, 0.5), p99: quantile(values, 0.99) }
}
