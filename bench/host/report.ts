import prettyBytes from 'pretty-bytes'
import { plainTable } from '../../src/cli/plain-table.ts'
import type { Machine } from '../support/machine.ts'
import type { ResultHead } from '../support/result-file.ts'
import type { HostBenchOptions } from './options.ts'
import type { AgentResult, HostResult, PartResult, PieceChannelResult, Spread, ThreadResult } from './result.ts'
import { MOST_FOREIGN } from './result.ts'
import type { MicroResult } from './tasks.ts'

const BLANK = ''

/** What goes into a result file: the first channel's fields stand at the top as well. */
export function resultObject(
  machine: Machine,
  options: HostBenchOptions,
  result: HostResult,
): ResultHead & Record<string, unknown> {
  const { json: _, directory: __, ...said } = options
  const { agents, ...rest } = result
  return { bench: 'host', machine, options: said, ...agents[0], agents, ...rest }
}

/** The tables for people. */
export function resultText(machine: Machine, { sizeBytes, runs }: HostBenchOptions, result: HostResult): string {
  const { commit, kernel, cores, node } = machine
  const { agents, floor, pieceChannels, micro, fileSystem } = result
  const size = prettyBytes(sizeBytes, { binary: true })
  return [
    `commit ${commit}, Linux ${kernel}, ${cores} cores, Node ${node}, ${fileSystem}; medians of ${runs} x ${size}`,
    ...(floor === undefined ? [] : [costTable(agents, floor.parts, floor.cpuSecondsPerGiB, floor.mibPerSecond)]),
    ...(agents.length === 0 ? [] : [agentTable(agents)]),
    ...agents.filter(({ valid }) => !valid).map(invalidLine),
    ...(pieceChannels.length === 0 ? [] : [pieceTable(pieceChannels)]),
    ...(micro.length === 0 ? [] : [microTable(micro)]),
  ].join('\n')
}

/** Where the time goes: the floor's parts, their sum, the agent. */
function costTable(
  agents: readonly AgentResult[],
  parts: readonly PartResult[],
  floorCpu: number,
  floorRate: number,
): string {
  const head = 'CPU-s per GiB|median|least-most|user|system|MiB/s|over the floor'.split('|')
  const rows: string[][] = []
  for (const part of parts) rows.push([part.part, ...partCells(part), BLANK])
  rows.push(['floor: their sum', floorCpu.toFixed(2), BLANK, BLANK, BLANK, floorRate.toFixed(0), '1.00'])
  for (const agent of agents) {
    const { userSecondsPerGiB, systemSecondsPerGiB, spread } = agent
    const whole = { part: '', userSecondsPerGiB, systemSecondsPerGiB, ...spread }
    rows.push([`agent, by ${agent.channel}`, ...partCells(whole), agent.ratio.toFixed(2)])
  }
  return plainTable(rows, head)
}

function agentTable(agents: readonly AgentResult[]): string {
  const titles =
    'agent|MiB/s|least-most|cores|first byte ms|p99 ms|RSS MiB|busiest thread CPU-s/GiB|cache CPU-s/GiB sent|its busiest thread|'
  const head = titles.split('|')
  const rows: string[][] = []
  for (const one of agents) {
    rows.push([
      `by ${one.channel}`,
      one.mibPerSecond.toFixed(0),
      range(one.spread.mibPerSecond, 0),
      one.coresUsed.toFixed(2),
      one.firstByteMs.toFixed(1),
      one.firstByteP99Ms.toFixed(1),
      one.rssMiB.toFixed(0),
      threadCell(one.agentThread),
      one.cacheCpuSecondsPerGiB.toFixed(2),
      threadCell(one.cacheThread),
      one.valid ? BLANK : 'INVALID',
    ])
  }
  return plainTable(rows, head)
}

function threadCell({ name, cpuSecondsPerGiB }: ThreadResult): string {
  return `${cpuSecondsPerGiB.toFixed(2)} ${name}`
}

function pieceTable(channels: readonly PieceChannelResult[]): string {
  const head = 'link alone, CPU-s per GiB|median|least-most|user|system|MiB/s'.split('|')
  const rows: string[][] = []
  for (const { channel, sender, receiver } of channels) {
    for (const side of [sender, receiver]) rows.push([`${channel}: ${side.part}`, ...partCells(side)])
  }
  return plainTable(rows, head)
}

function microTable(results: readonly MicroResult[]): string {
  const head = 'operation|p50 µs|p99 µs|per second|MiB/s'.split('|')
  const rows: string[][] = []
  for (const { subject, p50Us, p99Us, perSecond, mibPerSecond } of results) {
    rows.push([
      subject,
      p50Us.toPrecision(3),
      p99Us.toPrecision(3),
      perSecond.toFixed(0),
      mibPerSecond?.toFixed(0) ?? BLANK,
    ])
  }
  return plainTable(rows, head)
}

type PartNumbers = Omit<PartResult, 'part'>

function partCells(part: PartNumbers): string[] {
  return [
    part.cpuSecondsPerGiB.median.toFixed(2),
    range(part.cpuSecondsPerGiB, 2),
    part.userSecondsPerGiB.toFixed(2),
    part.systemSecondsPerGiB.toFixed(2),
    part.mibPerSecond.median.toFixed(0),
  ]
}

function range({ least, most }: Spread, digits: number): string {
  return `${least.toFixed(digits)}-${most.toFixed(digits)}`
}

function invalidLine({ channel, foreign }: AgentResult): string {
  return `agent, by ${channel}: INVALID: CPU used by others ${foreign.toFixed(3)}, limit ${MOST_FOREIGN}`
}
