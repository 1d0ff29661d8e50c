import { PICTURE_FILE, picturedBurst } from './burst-picture.ts'
import { fleetSection } from './fleet-table.ts'
import { hostSection } from './host-table.ts'
import { prewarmSection } from './prewarm-table.ts'
import type { Results } from './results.ts'
import { simSection } from './sim-table.ts'
import { summarySection } from './summary-table.ts'
import { worldsSection } from './worlds-table.ts'

const NOTE = '<!-- written by npm run bench:readme from bench/results -->'

/** What the front page shows of them. */
function summaryBlock({ fleet, sim }: Results): string {
  return [NOTE, summarySection(fleet, sim, '')].join('\n\n')
}

/** All tables, one benchmark after another: what was measured and what was simulated never share one. */
export function resultsBlock({ fleet, sim, host, prewarm }: Results): string {
  const worlds = worldsSection(fleet, sim)
  const picture =
    picturedBurst(fleet) === undefined
      ? []
      : [`![Pieces of each host over time, and how full the links were](${PICTURE_FILE.slice('docs/'.length)})`]
  const sections = [
    ...(fleet.length === 0 ? [] : ['### Measured: a fleet over shaped links', ...fleet.map(fleetSection), ...picture]),
    ...(sim.length === 0 ? [] : ['### Simulated: no CPU, no packet loss', simSection(sim)]),
    ...(worlds === '' ? [] : ['### The same burst measured and simulated', worlds]),
    ...(host.length === 0 ? [] : ['### Measured: one host', ...host.map(hostSection)]),
    ...(prewarm.length === 0 ? [] : ['### Measured: a prewarm job at its cache', ...prewarm.map(prewarmSection)]),
  ]
  return [NOTE, ...sections].join('\n\n')
}

/** The pages that show results, from the project's root, and what each shows. */
export const PAGES: Readonly<Record<string, (results: Results) => string>> = {
  'README.md': summaryBlock,
  'docs/benchmarks.md': resultsBlock,
}

/** `page` with `block` between the two markers of that name. Throws when they are not there once each, in order. */
export function replaceBlock(page: string, block: string, name = 'results'): string {
  const [first, last] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`]
  const [start, end] = [page.indexOf(first), page.indexOf(last)]
  const once = page.lastIndexOf(first) === start && page.lastIndexOf(last) === end
  if (start < 0 || end < start || !once) throw new TypeError(`the page needs ${first} and ${last}, once each`)
  return `${page.slice(0, start + first.length)}\n${block}\n${page.slice(end)}`
}
