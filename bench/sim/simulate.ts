import type { SimBenchOptions } from './options.ts'
import { swarmOptions } from './options.ts'
import type { SwarmReport } from './swarm-report.ts'
import { VirtualSwarm } from './virtual-swarm.ts'

/** A swarm that needs so many times the bound does not end. */
const LIMIT_BOUNDS = 200
const LIMIT_LEAST_MS = 600_000

export interface SimResult
  extends Pick<SwarmReport, 'finished' | 'hosts' | 'bytes' | 'ratio' | 'originRatio' | 'traceHash'> {
  readonly virtualSeconds: {
    readonly p50: number
    readonly p99: number
    readonly last: number
    /** The last of the hosts that were there all the time. */
    readonly lastStaying: number
  }
  /** Seconds. */
  readonly bound: number
  readonly wallSeconds: number
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

/** Runs one swarm to its end. The same options give the same result, but for `wallSeconds`. */
export function simulate(options: SimBenchOptions): SimResult {
  const world = swarmOptions(options)
  const startedAt = performance.now()
  const swarm = new VirtualSwarm(world)
  const report = swarm.run(Math.max(LIMIT_LEAST_MS, LIMIT_BOUNDS * swarm.boundMs))
  const wallSeconds = (performance.now() - startedAt) / 1000
  const { finished, hosts, bytes, ratio, originRatio, traceHash, p50Ms, p99Ms, lastMs, lastStayingMs } = report
  return {
    ...{ finished, hosts, bytes },
    virtualSeconds: { p50: p50Ms / 1000, p99: p99Ms / 1000, last: lastMs / 1000, lastStaying: lastStayingMs / 1000 },
    bound: report.boundMs / 1000,
    ...{ ratio, originRatio, wallSeconds, traceHash },
    pieceBytes: world.blobs[0]!.pieceBytes,
    cacheCopies: report.homeCopies,
    duplicatePieces: report.duplicates,
    refused: report.busy,
    crossZone: report.crossZone,
    mostOutstandingBytes: report.mostOutstandingBytes,
    messages: report.messages,
    events: report.events,
  }
}
