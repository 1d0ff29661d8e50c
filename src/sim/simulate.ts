import type { SwarmReport } from './swarm-report.ts'
import { VirtualSwarm } from './virtual-swarm.ts'
import type { World } from './world.ts'
import { swarmOptions } from './world.ts'

/** A swarm that needs this many times the bound does not end. */
const LIMIT_BOUNDS = 200
const LIMIT_LEAST_MS = 600_000

export interface SimResult
  extends Pick<SwarmReport, 'finished' | 'hosts' | 'bytes' | 'bounds' | 'ratio' | 'originRatio' | 'traceHash'> {
  readonly virtualSeconds: {
    readonly p50: number
    readonly p99: number
    readonly last: number
    /** The last of the hosts that were there all the time. */
    readonly lastStaying: number
  }
  /** Seconds. */
  readonly bound: number
  readonly pieceBytes: number
  /** Copies a region's caches began to send. */
  readonly cacheCopies: number
  readonly duplicatePieces: number
  readonly refused: number
  readonly crossZone: number
  readonly mostOutstandingBytes: number
  readonly messages: number
  readonly events: number
}

/** How often a run stops for others, in parts of its bound. */
const STEPS = 50

/** Runs one swarm to its end. The same world gives the same result. */
export function simulate(world: World): SimResult {
  const steps = simulation(world)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

/** As `simulate`, with a stop now and then at which its driver may do something else; yields the virtual seconds so far. */
export function* simulation(world: World): Generator<number, SimResult> {
  const options = swarmOptions(world)
  const swarm = new VirtualSwarm(options)
  const limitMs = Math.max(LIMIT_LEAST_MS, LIMIT_BOUNDS * swarm.boundMs)
  const stepMs = swarm.boundMs / STEPS
  let report = swarm.run(stepMs)
  for (let untilMs = 2 * stepMs; !report.finished && untilMs < limitMs; untilMs += stepMs) {
    yield swarm.clock.now() / 1000
    report = swarm.resume(untilMs)
  }
  return resultOf(report, options.blobs[0]!.pieceBytes)
}

function resultOf(report: SwarmReport, pieceBytes: number): SimResult {
  return {
    finished: report.finished,
    hosts: report.hosts,
    bytes: report.bytes,
    virtualSeconds: {
      p50: report.p50Ms / 1000,
      p99: report.p99Ms / 1000,
      last: report.lastMs / 1000,
      lastStaying: report.lastStayingMs / 1000,
    },
    bound: report.boundMs / 1000,
    bounds: report.bounds,
    ratio: report.ratio,
    originRatio: report.originRatio,
    traceHash: report.traceHash,
    pieceBytes,
    cacheCopies: report.homeCopies,
    duplicatePieces: report.duplicates,
    refused: report.busy,
    crossZone: report.crossZone,
    mostOutstandingBytes: report.mostOutstandingBytes,
    messages: report.messages,
    events: report.events,
  }
}
