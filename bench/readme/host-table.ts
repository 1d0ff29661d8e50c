import prettyBytes from 'pretty-bytes'
import { FIRST_BYTE_GOAL_MS, HOST_CPU_GOAL, HOST_THREAD_GOAL } from './goals.ts'
import { atMost, FROM_DOCS, provenance, source, table } from './markdown.ts'
import type { AgentRow, HostFile, Named, PartRow } from './results.ts'

type Spread = PartRow['cpuSecondsPerGiB']

/** One agent's cost and the floor under it, links alone, and the small things. */
export function hostSection(file: Named<HostFile>): string {
  const { options, agents, machine, fileSystem, pieceChannels, micro } = file
  const size = prettyBytes(options.sizeBytes, { binary: true })
  return [
    `Medians of ${options.runs} runs of ${size}, least and most in brackets. ${source(file.file, FROM_DOCS)}: ${provenance(machine)}, ${fileSystem}.`,
    ...(agents.length > 0 || pieceChannels.length > 0 ? [costTable(file)] : []),
    ...(agents.length > 0 ? [agentTable(agents)] : []),
    ...(agents.some(({ agentThread }) => agentThread !== undefined) ? [threadTable(agents)] : []),
    ...(micro.length > 0 ? [microTable(micro)] : []),
  ].join('\n\n')
}

function costTable({ floor, agents, pieceChannels }: HostFile): string {
  const rows = (floor?.parts ?? []).map((one) => [one.part, ...partCells(one), '', ''])
  if (floor !== undefined) {
    rows.push(['**floor**: their sum', floor.cpuSecondsPerGiB.toFixed(2), floor.mibPerSecond.toFixed(0), '1.00', ''])
  }
  for (const agent of agents) {
    const ratio = agent.valid ? agent.ratio.toFixed(2) : `invalid: others used the machine [${agent.ratio.toFixed(2)}]`
    rows.push([`**agent**, pieces by ${agent.channel}`, ...partCells(agent.spread), ratio, atMost(HOST_CPU_GOAL)])
  }
  for (const { channel, sender, receiver } of pieceChannels) {
    for (const side of [receiver, sender])
      rows.push([`link alone, ${channel}: ${side.part}`, ...partCells(side), '', ''])
  }
  return table(['one GiB received, checked, stored, handed over', 'CPU s', 'MiB/s', 'over the floor', 'goal'], rows)
}

function agentTable(agents: readonly AgentRow[]): string {
  const head = [
    'agent',
    `first byte, ms (goal ≤ ${FIRST_BYTE_GOAL_MS})`,
    'p99, ms',
    'most RSS, MiB',
    'cache CPU s per GiB sent',
  ]
  return table(
    head,
    agents.map(({ channel, firstByteMs, firstByteP99Ms, rssMiB, cacheCpuSecondsPerGiB }) => [
      `pieces by ${channel}`,
      firstByteMs.toFixed(1),
      firstByteP99Ms.toFixed(1),
      rssMiB.toFixed(0),
      cacheCpuSecondsPerGiB.toFixed(2),
    ]),
  )
}

/** Results of before threads were looked at have none. */
function threadTable(agents: readonly AgentRow[]): string {
  const head = [
    'CPU s per GiB of one thread',
    `agent, the busiest (goal ≤ ${HOST_THREAD_GOAL})`,
    'cache, the busiest',
    'cores that both use',
  ]
  return table(
    head,
    agents.map(({ channel, agentThread, cacheThread, coresUsed }) => [
      `pieces by ${channel}`,
      threadText(agentThread),
      threadText(cacheThread),
      coresUsed?.toFixed(2) ?? '',
    ]),
  )
}

function threadText(thread: AgentRow['agentThread']): string {
  return thread === undefined ? '' : `${thread.cpuSecondsPerGiB.toFixed(2)} (${thread.name})`
}

function microTable(results: HostFile['micro']): string {
  return table(
    ['operation', 'median, µs', 'p99, µs', 'MiB/s'],
    results.map(({ subject, p50Us, p99Us, mibPerSecond }) => [
      subject,
      threeDigits(p50Us),
      threeDigits(p99Us),
      mibPerSecond?.toFixed(0) ?? '',
    ]),
  )
}

function partCells({ cpuSecondsPerGiB, mibPerSecond }: Omit<PartRow, 'part'>): string[] {
  return [spreadText(cpuSecondsPerGiB, 2), spreadText(mibPerSecond, 0)]
}

function spreadText({ median, least, most }: Spread, digits: number): string {
  const [low, high] = [least.toFixed(digits), most.toFixed(digits)]
  return low === high ? low : `${median.toFixed(digits)} (${low}-${high})`
}

function threeDigits(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
}
