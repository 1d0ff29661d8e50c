import { plainTable } from '../../src/cli/plain-table.ts'
import type { Machine } from '../support/machine.ts'
import type { ResultHead } from '../support/result-file.ts'
import type { PrewarmBenchOptions } from './options.ts'
import type { PrewarmResult, Rates } from './result.ts'

/** What goes into a result file. */
export function resultObject(
  machine: Machine,
  { json: _, ...options }: PrewarmBenchOptions,
  result: PrewarmResult,
): ResultHead & Record<string, unknown> {
  return { bench: 'prewarm', machine, options, ...result }
}

/** The tables for people. */
export function resultText(machine: Machine, options: PrewarmBenchOptions, result: PrewarmResult): string {
  const { commit, kernel, cores, node } = machine
  const { hosts, blobs, states, job, seconds, rssMiB, cpuSeconds } = result
  return [
    `commit ${commit}, Linux ${kernel}, ${cores} cores, Node ${node}; ${options.processes} processes of hosts`,
    `${hosts} hosts x ${blobs} blobs: job ${job.state}, ${job.hosts.ready} ready, ${job.hosts.failed} failed, ${job.hosts.skipped} skipped; ${states} states`,
    ratesTable(result),
    numbersTable([
      ['linking / job, s', `${seconds.link.toFixed(1)} / ${seconds.job.toFixed(1)}`],
      ['cache RSS alone, MiB', rssMiB.alone.toFixed(0)],
      ['linked', rssMiB.linked.toFixed(0)],
      ['most', rssMiB.most.toFixed(0)],
      ['after the job', rssMiB.after.toFixed(0)],
      ['hosts gone', rssMiB.left.toFixed(0)],
      ['KiB per link', result.kibPerLink.toFixed(0)],
      ['bytes per (host, blob)', result.bytesPerState.toFixed(1)],
      ['cache CPU linking / job, s', `${cpuSeconds.link.toFixed(1)} / ${cpuSeconds.job.toFixed(1)}`],
      ['CPU ms per link', result.cpuMsPerLink.toFixed(1)],
      ['event loop p99 median / most, ms', pair(result.eventLoopP99Ms.median, result.eventLoopP99Ms.most)],
      ['/metrics p99, ms', result.scrapeP99Ms.toFixed(0)],
    ]),
  ].join('\n')
}

function ratesTable({ perHostSecond, messagesPerHost }: PrewarmResult): string {
  const head = ['at the cache', 'heard: messages', 'bytes', 'said: messages', 'bytes']
  const rows: string[][] = []
  const row = (name: string, { received, sent }: Rates): void => {
    const cells = [received.frames, received.bytes, sent.frames, sent.bytes]
    rows.push([name, ...cells.map((value) => value.toFixed(value < 10 ? 2 : 0))])
  }
  row('idle, per host and second', perHostSecond.idle)
  row('job (messages, pings)', perHostSecond.job)
  row('job, busiest second', perHostSecond.most)
  row('job, content', perHostSecond.content)
  row('messages per host, whole job', messagesPerHost)
  return plainTable(rows, head)
}

function numbersTable(rows: readonly (readonly [string, string])[]): string {
  return plainTable(rows)
}

function pair(a: number, b: number): string {
  return `${a.toFixed(0)} / ${b.toFixed(0)}`
}
