import { quantile } from '../../src/base/quantile.ts'
import type { BusiestThread } from '../support/cpu-usage.ts'
import type { ChannelKind, Cost, CpuSeconds, MicroResult } from './tasks.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB

/** CPU beyond this share used by others than the bench's own processes spoils a run. */
export const MOST_FOREIGN = 0.1

/** A median, and the least and most of all runs. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** What moving bytes costs, per GiB. CPU in seconds of one core. */
export interface PartResult {
  readonly part: string
  readonly mibPerSecond: Spread
  readonly cpuSecondsPerGiB: Spread
  /** Medians, for where the time goes. */
  readonly userSecondsPerGiB: number
  readonly systemSecondsPerGiB: number
}

/** The least that receiving, checking, keeping and handing over can cost: each part alone, summed up. */
export interface FloorResult {
  readonly cpuSecondsPerGiB: number
  /** What one core that did nothing but the parts, one after the other, would move. */
  readonly mibPerSecond: number
  readonly parts: readonly PartResult[]
}

/** One run of one agent. */
export interface AgentRun {
  readonly bytes: number
  readonly agent: Cost
  readonly cacheCpu: CpuSeconds
  readonly agentThread: BusiestThread
  readonly cacheThread: BusiestThread
  readonly firstByteMs: readonly number[]
  readonly rssMiB: number
  /** Share of the machine's CPU that others used meanwhile. */
  readonly foreign: number
}

export interface AgentResult {
  readonly channel: ChannelKind
  /** Medians of the runs. */
  readonly mibPerSecond: number
  readonly cpuSecondsPerGiB: number
  readonly userSecondsPerGiB: number
  readonly systemSecondsPerGiB: number
  /** CPU over the floor's. */
  readonly ratio: number
  readonly firstByteMs: number
  readonly firstByteP99Ms: number
  readonly rssMiB: number
  /** Of the cache, for each GiB it sent. */
  readonly cacheCpuSecondsPerGiB: number
  /** Of the busiest thread of each: what bounds one of them, however many cores there are. */
  readonly agentThread: ThreadResult
  readonly cacheThread: ThreadResult
  /** What agent and cache used together, in cores: two where they share two. */
  readonly coresUsed: number
  readonly spread: { readonly mibPerSecond: Spread; readonly cpuSecondsPerGiB: Spread }
  readonly firstBytes: number
  readonly runs: number
  readonly foreign: number
  /** False when something else used the machine. */
  readonly valid: boolean
}

export interface ThreadResult {
  readonly name: string
  readonly cpuSecondsPerGiB: number
}

/** A link alone, without store and mirror. */
export interface PieceChannelResult {
  readonly channel: ChannelKind
  readonly sender: PartResult
  readonly receiver: PartResult
}

export interface HostResult {
  /** Of the stores and the floor's files. */
  readonly fileSystem: string
  readonly floor: FloorResult | undefined
  readonly agents: readonly AgentResult[]
  readonly pieceChannels: readonly PieceChannelResult[]
  readonly micro: readonly MicroResult[]
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), least: Math.min(...values), most: Math.max(...values) }
}

/** The result for runs that moved `bytes` each. */
export function partResult(part: string, bytes: number, runs: readonly Cost[]): PartResult {
  const perGiB = (of: (cpu: CpuSeconds) => number): number[] => runs.map(({ cpu }) => (of(cpu) * GIB) / bytes)
  return {
    part,
    mibPerSecond: spreadOf(runs.map(({ seconds }) => bytes / MIB / seconds)),
    cpuSecondsPerGiB: spreadOf(perGiB(({ user, system }) => user + system)),
    userSecondsPerGiB: quantile(
      perGiB(({ user }) => user),
      0.5,
    ),
    systemSecondsPerGiB: quantile(
      perGiB(({ system }) => system),
      0.5,
    ),
  }
}

export function floorOf(parts: readonly PartResult[]): FloorResult {
  const cpuSecondsPerGiB = parts.reduce((sum, part) => sum + part.cpuSecondsPerGiB.median, 0)
  return { cpuSecondsPerGiB, mibPerSecond: 1024 / cpuSecondsPerGiB, parts }
}

/** Of the runs that nothing disturbed, or of all where there is none. */
export function agentResult(channel: ChannelKind, all: readonly AgentRun[], floor: FloorResult): AgentResult {
  const undisturbed = all.filter((run) => run.foreign <= MOST_FOREIGN)
  const runs = undisturbed.length > 0 ? undisturbed : all
  const { bytes } = runs[0]!
  const own = partResult(
    'agent',
    bytes,
    runs.map(({ agent }) => agent),
  )
  const cpuSecondsPerGiB = own.cpuSecondsPerGiB.median
  const cacheCpu = runs.map(({ cacheCpu: { user, system } }) => ((user + system) * GIB) / bytes)
  const firstBytes = runs.flatMap(({ firstByteMs }) => firstByteMs)
  const foreign = Math.max(...runs.map((run) => run.foreign))
  return {
    channel,
    mibPerSecond: own.mibPerSecond.median,
    cpuSecondsPerGiB,
    userSecondsPerGiB: own.userSecondsPerGiB,
    systemSecondsPerGiB: own.systemSecondsPerGiB,
    ratio: cpuSecondsPerGiB / floor.cpuSecondsPerGiB,
    firstByteMs: quantile(firstBytes, 0.5),
    firstByteP99Ms: quantile(firstBytes, 0.99),
    rssMiB: Math.max(...runs.map(({ rssMiB }) => rssMiB)),
    cacheCpuSecondsPerGiB: quantile(cacheCpu, 0.5),
    agentThread: threadResult(
      runs.map((run) => run.agentThread),
      bytes,
    ),
    cacheThread: threadResult(
      runs.map((run) => run.cacheThread),
      bytes,
    ),
    coresUsed: quantile(runs.map(coresUsed), 0.5),
    spread: { mibPerSecond: own.mibPerSecond, cpuSecondsPerGiB: own.cpuSecondsPerGiB },
    firstBytes: firstBytes.length,
    runs: runs.length,
    foreign,
    valid: foreign <= MOST_FOREIGN,
  }
}

function threadResult(runs: readonly BusiestThread[], bytes: number): ThreadResult {
  const sorted = runs.toSorted((a, b) => a.seconds - b.seconds)
  const { name, seconds } = sorted[Math.floor((sorted.length - 1) / 2)]!
  return { name, cpuSecondsPerGiB: (seconds * GIB) / bytes }
}

function coresUsed({ agent, cacheCpu }: AgentRun): number {
  return (agent.cpu.user + agent.cpu.system + cacheCpu.user + cacheCpu.system) / agent.seconds
}
