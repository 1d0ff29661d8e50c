import prettyBytes from 'pretty-bytes'
import { ORIGIN_COPIES_GOAL, simGoal } from './goals.ts'
import { atMost, FROM_DOCS, provenance, source, table } from './markdown.ts'
import type { Named, SimFile } from './results.ts'

const HEAD = ['swarm', 'hosts', 'ratio', 'goal', `origin copies (goal ≤ ${ORIGIN_COPIES_GOAL})`, 'commit', 'file']

/** All simulated swarms: one run each, and the same again gives the same. */
export function simSection(files: readonly Named<SimFile>[]): string {
  const rows = files.toSorted((a, b) => b.hosts - a.hosts || a.file.localeCompare(b.file)).map(simCells)
  const origins = new Set(files.map(({ machine }) => provenance(machine)))
  return `${table(HEAD, rows)}\n\nRun at ${[...origins].join('; ')}.`
}

function simCells(file: Named<SimFile>): string[] {
  return [
    describeSwarm(file),
    String(file.hosts),
    file.finished ? file.ratio.toFixed(2) : 'invalid: did not finish',
    atMost(simGoal(file)),
    file.originRatio.toFixed(3),
    file.machine.commit,
    source(file.file, FROM_DOCS),
  ]
}

function describeSwarm({ options, bytes }: SimFile): string {
  const { gbps, cacheRatio, regions, layers, zones, churn, dead, slow } = options
  const rate = gbps < 1 ? `${Number((gbps * 1000).toFixed(1))} Mb/s` : `${gbps} Gb/s`
  const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`
  return [
    `${prettyBytes(bytes, { binary: true, maximumFractionDigits: 0 })} at ${rate}`,
    `cache ${cacheRatio}x a host`,
    ...(layers > 1 ? [`${layers} layers`] : []),
    ...(regions > 1 ? [`${regions} regions below a core`] : []),
    ...(zones > 1 ? [`${zones} zones`] : []),
    ...(churn > 0 ? [`${percent(churn)} leave and come back`] : []),
    ...(slow > 0 ? [`${percent(slow)} at a tenth of the rate`] : []),
    ...(dead > 0 ? [`${percent(dead)} accept and never send`] : []),
  ].join(', ')
}
