import prettyBytes from 'pretty-bytes'
import { BASELINE_TABLE } from '../fleet/baselines/index.ts'
import type { BaselineName, ScenarioName } from '../fleet/names.ts'
import { isBaseline, isScenario } from '../fleet/names.ts'
import { SCENARIO_TABLE } from '../fleet/scenarios/index.ts'
import { timelineText } from '../fleet/timeline.ts'
import {
  directGoal,
  fleetGoal,
  ORIGIN_COPIES_GOAL,
  RANGE_OVER_DIRECT_GOAL,
  RSS_GOAL_MIB,
  SCRAPE_GOAL_MS,
} from './goals.ts'
import { atMost, FROM_DOCS, provenance, source, table, withRange } from './markdown.ts'
import type { FleetFile, FleetRow, Named } from './results.ts'

const HEAD = [
  'what happens',
  'hosts',
  'last host, s',
  'bound, s',
  'ratio',
  'goal',
  'over direct (goal)',
  `origin copies (goal ≤ ${ORIGIN_COPIES_GOAL})`,
  'origin requests',
  'CPU busy',
  `most RSS, MiB (goal ≤ ${RSS_GOAL_MIB})`,
  `/metrics p99, ms: agent, cache (goal ≤ ${SCRAPE_GOAL_MS})`,
]

const PICTURED: ReadonlySet<string> = new Set(['burst', 'warm'] satisfies ScenarioName[])

/** What a baseline is an alternative to: its time is set against that one's bound, not against its own. */
const INSTEAD_OF: Readonly<Record<BaselineName, ScenarioName>> = {
  direct: 'burst',
  'registry-cache': 'burst',
  libtorrent: 'warm',
}

/** One file's scenarios and baselines: real daemons, links shaped. */
export function fleetSection(file: Named<FleetFile>): string {
  const [first] = file.results
  const rows = file.results.map((row) => fleetCells(row, boundFor(row, file.results)))
  const failed = file.failures.map(({ scenario }) => [summaryOf(scenario), 'failed', ...HEAD.slice(2).map(() => '-')])
  const parts = [
    first === undefined ? '' : `${setupOf(first)}. `,
    `${source(file.file, FROM_DOCS)}: ${provenance(file.machine)}, TCP ${file.machine.congestionControl}.`,
  ]
  return [parts.join(''), table(HEAD, [...rows, ...failed]), ...file.results.flatMap(pictureOf)].join('\n\n')
}

/** Where the time over the bound is: drawn of the two that are all about it. */
function pictureOf({ scenario, timeline }: FleetRow): string[] {
  if (timeline === undefined || !PICTURED.has(scenario)) return []
  return [`How full the links were, ${scenario}:`, ['```text', ...timelineText(timeline), '```'].join('\n')]
}

/** The physical bound a row is held against: a baseline's is that of the scenario it stands in for. */
export function boundFor({ scenario, bound }: FleetRow, all: readonly FleetRow[]): number {
  const instead = isBaseline(scenario) ? INSTEAD_OF[scenario] : scenario
  return all.find((row) => row.scenario === instead)?.bound ?? bound
}

function fleetCells(row: FleetRow, bound: number): string[] {
  const scale = row.bound / bound
  const ratios = row.runs.map(({ ratio }) => ratio * scale)
  const ratio = withRange(row.ratio * scale, ratios, 2)
  return [
    summaryOf(row.scenario),
    String(row.hosts),
    row.seconds.last.toFixed(1),
    bound.toFixed(1),
    row.valid ? ratio : `invalid: ${brokenOf(row)} [${ratio}]`,
    atMost(isBaseline(row.scenario) ? undefined : fleetGoal(row.scenario)),
    overDirectOf(row),
    row.originRatio.toFixed(3),
    row.originRequests === undefined ? '-' : String(row.originRequests),
    `${(row.cpu.busy * 100).toFixed(0)} %`,
    row.rssMiB === undefined ? '-' : row.rssMiB.max.toFixed(0),
    scrapesOf(row),
  ]
}

function scrapesOf({ scrapeMs }: FleetRow): string {
  if (scrapeMs === undefined) return '-'
  return [scrapeMs.agent, scrapeMs.cache].map((one) => one?.p99.toFixed(0) ?? '-').join(', ')
}

function overDirectOf({ scenario, extra: { overDirect, directLast, rangeOverDirect } }: FleetRow): string {
  if (overDirect === undefined) return '-'
  const start = `${overDirect.toFixed(2)} (${atMost(directGoal(scenario, directLast))})`
  return rangeOverDirect === undefined
    ? start
    : `${start}, a range ${rangeOverDirect.toFixed(2)} (${atMost(RANGE_OVER_DIRECT_GOAL)})`
}

/** What broke, as the run said it. */
function brokenOf({ guards }: FleetRow): string {
  const broken = guards.filter(({ holds }) => !holds)
  return broken.map(({ guard, value, limit }) => `${guard} ${value.toFixed(2)}, limit ${limit}`).join('; ')
}

function summaryOf(scenario: string): string {
  if (isScenario(scenario)) return `${scenario}: ${SCENARIO_TABLE[scenario].summary}`
  if (isBaseline(scenario)) return `baseline ${scenario}: ${BASELINE_TABLE[scenario].summary}`
  return scenario
}

function setupOf({ mbps, cacheMbps, originMbps, bytes, layers }: FleetRow): string {
  const image = `${prettyBytes(bytes, { binary: true, maximumFractionDigits: 0 })} in ${layers} ${layers === 1 ? 'layer' : 'layers'}`
  return `Links ${mbps} Mb/s, cache ${cacheMbps}, origin ${originMbps}; ${image}`
}
