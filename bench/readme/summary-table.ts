import prettyBytes from 'pretty-bytes'
import { boundFor } from './fleet-table.ts'
import { source, table } from './markdown.ts'
import type { FleetFile, FleetRow, Named, SimFile } from './results.ts'

/** The rows of the front page, in its order: what it calls each scenario or baseline of a fleet run. */
const ROWS: readonly (readonly [scenario: string, text: string])[] = [
  ['burst', '**Shoal**, nothing cached anywhere'],
  ['warm', '**Shoal**, the cache has the image'],
  ['libtorrent', 'libtorrent with a seed in the place of the cache'],
  ['direct', 'every host straight from the origin'],
  ['registry-cache', 'docker-registry as pull-through cache'],
]

/**
 * The one table of the front page: a burst beside its baselines, all of one file, valid runs only; and the largest
 * simulated fleet in a sentence. Empty where no file holds a burst and a baseline.
 */
export function summarySection(
  fleet: readonly Named<FleetFile>[],
  sim: readonly Named<SimFile>[],
  root: string,
): string {
  const file = fleet.find(({ results }) => isValid(results, 'burst') && isValid(results, 'direct'))
  const burst = file?.results.find(({ scenario }) => scenario === 'burst')
  if (file === undefined || burst === undefined) return ''
  const rows = ROWS.flatMap(([scenario, text]) => {
    const row = file.results.find((one) => one.scenario === scenario)
    return row?.valid === true ? [[text, ...cells(row, boundFor(row, file.results))]] : []
  })
  const image = prettyBytes(burst.bytes, { binary: true })
  const intro = `${burst.hosts} hosts pull ${image} at the same moment, links of ${burst.mbps} Mb/s, cache and origin ${burst.cacheMbps} Mb/s (${source(file.file, root)}):`
  const head = ['how', 'last host, s', 'times the physical bound', 'copies out of the origin']
  return [intro, table(head, rows), ...largest(sim, root)].join('\n\n')
}

function isValid(results: readonly FleetRow[], scenario: string): boolean {
  return results.some((row) => row.scenario === scenario && row.valid)
}

function cells(row: FleetRow, bound: number): string[] {
  return [row.seconds.last.toFixed(1), (row.seconds.last / bound).toFixed(2), row.originRatio.toFixed(2)]
}

function largest(sim: readonly Named<SimFile>[], root: string): string[] {
  const most = sim.filter(({ finished }) => finished).toSorted((a, b) => b.hosts - a.hosts)[0]
  if (most === undefined) return []
  const hosts = most.hosts.toLocaleString('en').replaceAll(',', ' ')
  return [
    `The same scheduler over ${hosts} simulated hosts: ${most.ratio.toFixed(2)} times the bound (${source(most.file, root)}).`,
  ]
}
