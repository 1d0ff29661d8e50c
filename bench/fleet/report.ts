import prettyBytes from 'pretty-bytes'
import { quantile } from '../../src/base/quantile.ts'
import { plainTable } from '../../src/cli/plain-table.ts'
import type { Machine } from '../support/machine.ts'
import type { ResultHead } from '../support/result-file.ts'
import type { Failure } from './bench.ts'
import type { FleetBenchOptions } from './options.ts'
import type { RunResult, SeriesResult } from './result.ts'
import { timelineText } from './timeline.ts'

const SPREAD = [0, 0.25, 0.5, 0.75, 0.9, 1]

/** What goes into a result file. With one result, its fields stand at the top as well. */
export function resultObject(
  machine: Machine,
  options: FleetBenchOptions,
  results: readonly SeriesResult[],
  failures: readonly Failure[] = [],
): ResultHead & Record<string, unknown> {
  const { json: _, ...said } = options
  const [only] = results
  return { bench: 'fleet', machine, options: said, ...(results.length === 1 ? only : {}), results, failures }
}

/** The tables for people: results, spread over hosts, and what made runs invalid. */
export function resultText(machine: Machine, results: readonly SeriesResult[]): string {
  const { commit, kernel, cores, congestionControl, node } = machine
  return [
    `commit ${commit}, Linux ${kernel}, ${cores} cores, TCP ${congestionControl}, Node ${node}`,
    resultTable(results),
    spreadTable(results),
    ...results.flatMap(detailLines),
  ].join('\n')
}

function resultTable(results: readonly SeriesResult[]): string {
  const head = 'scenario|hosts|Mb/s|cache|image|p50 s|p99 s|last s|bound s|ratio|origin|reqs|CPU|RSS|'.split('|')
  const rows: string[][] = []
  for (const one of results) {
    rows.push([
      one.scenario,
      String(one.hosts),
      `${one.mbps} (${one.calibratedMbps.toFixed(1)})`,
      `${one.cacheMbps} (${one.calibratedCacheMbps.toFixed(1)})`,
      prettyBytes(one.bytes, { binary: true }),
      one.seconds.p50.toFixed(2),
      one.seconds.p99.toFixed(2),
      one.seconds.last.toFixed(2),
      one.bound.toFixed(2),
      one.ratio.toFixed(3),
      `${one.originRatio.toFixed(3)}x`,
      one.originRequests === undefined ? '-' : String(one.originRequests),
      `${(one.cpu.busy * 100).toFixed(0)}%`,
      one.rssMiB === undefined ? '-' : `${one.rssMiB.max.toFixed(0)} MiB`,
      one.valid ? '' : 'INVALID',
    ])
  }
  return plainTable(rows, head)
}

function spreadTable(results: readonly SeriesResult[]): string {
  const head = ['seconds of hosts', 'first', 'p25', 'p50', 'p75', 'p90', 'last', 'ratios of all runs']
  const rows: string[][] = []
  for (const { scenario, perHost, runs } of results) {
    const spread = SPREAD.map((q) => quantile(perHost, q).toFixed(2))
    rows.push([scenario, ...spread, runs.map(({ ratio, valid }) => ratio.toFixed(3) + (valid ? '' : '!')).join(' ')])
  }
  return plainTable(rows, head)
}

function detailLines(one: RunResult): string[] {
  const lines: string[] = []
  const { scrapeMs, received, cpu } = one
  if (received !== undefined) {
    const parts = Object.entries(received).map(([from, bytes]) => `${from} ${prettyBytes(bytes, { binary: true })}`)
    const seconds = [`agent ${cpu.agentSeconds?.toFixed(2)}`, `cache ${cpu.cacheSeconds?.toFixed(2)}`].join(', ')
    lines.push(`${one.scenario}: received ${parts.join(', ')}; CPU-s ${seconds}`)
  }
  if (scrapeMs !== undefined) {
    const cache = scrapeMs.cache === undefined ? '' : `, cache ${scrapeMs.cache.p99.toFixed(1)} ms`
    const lag = one.eventLoopP99Ms === undefined ? '' : `; event loop p99 at worst ${one.eventLoopP99Ms.toFixed(1)} ms`
    lines.push(`${one.scenario}: /metrics p99 agent ${scrapeMs.agent.p99.toFixed(1)} ms${cache}${lag}`)
  }
  lines.push(...timelineText(one.timeline).map((line) => `${one.scenario}: ${line}`))
  const extra = Object.entries(one.extra).map(([name, value]) => `${name} ${Number(value.toFixed(3))}`)
  if (extra.length > 0) lines.push(`${one.scenario}: ${extra.join(', ')}`)
  for (const { guard, value, limit, holds } of one.guards) {
    if (!holds) lines.push(`${one.scenario}: INVALID: ${guard}: ${value.toFixed(3)}, limit ${limit}`)
  }
  return lines
}
