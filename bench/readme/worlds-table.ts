import prettyBytes from 'pretty-bytes'
import { FROM_DOCS, source, table } from './markdown.ts'
import type { FleetFile, FleetRow, Named, SimFile } from './results.ts'

const HEAD = ['burst', 'hosts', 'measured ratio', 'simulated ratio', 'measured / simulated', 'files']
/** Payload in a shaped link's rate, as the simulator is told it, may differ so much from what was calibrated. */
const RATE_TOLERANCE = 0.06
const IMAGE_TOLERANCE = 0.001

/** Bursts that ran in both worlds: the simulator is trusted no further than the two agree. Empty when there are none. */
export function worldsSection(fleet: readonly Named<FleetFile>[], sim: readonly Named<SimFile>[]): string {
  const rows = fleet.flatMap((file) =>
    file.results
      .filter(({ scenario }) => scenario === 'burst')
      .flatMap((row) => sim.filter((other) => isSame(row, other)).map((other) => worldsCells(row, file, other))),
  )
  return rows.length === 0 ? '' : table(HEAD, rows)
}

function isSame(row: FleetRow, { hosts, bytes, options }: SimFile): boolean {
  const { regions, layers, zones, churn, dead, slow, gbps, cacheRatio, originRatio = cacheRatio } = options
  const plain = regions === 1 && zones === 1 && churn + dead + slow === 0
  // a real image has a manifest and a config as well
  const sameImage = Math.abs(bytes - row.bytes) < row.bytes * IMAGE_TOLERANCE && layers === row.layers
  const mbps = gbps * 1000
  return (
    plain &&
    sameImage &&
    hosts === row.hosts &&
    mbps <= row.mbps &&
    mbps > row.mbps * (1 - RATE_TOLERANCE) &&
    cacheRatio === row.cacheMbps / row.mbps &&
    originRatio === row.originMbps / row.mbps
  )
}

function worldsCells(row: FleetRow, file: Named<FleetFile>, sim: Named<SimFile>): string[] {
  const image = `${prettyBytes(row.bytes, { binary: true, maximumFractionDigits: 0 })} at ${row.mbps} Mb/s`
  return [
    `${image}, cache ${row.cacheMbps / row.mbps}x a host`,
    String(row.hosts),
    row.valid ? row.ratio.toFixed(3) : `[${row.ratio.toFixed(3)}] invalid run`,
    sim.ratio.toFixed(3),
    (row.ratio / sim.ratio).toFixed(3),
    `${source(file.file, FROM_DOCS)}, ${source(sim.file, FROM_DOCS)}`,
  ]
}
