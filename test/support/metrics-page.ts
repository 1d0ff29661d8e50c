import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AgentProcess } from './agent-process.ts'

const HEAD = `# Metrics

What \`/metrics\` on the admin server says, in Prometheus' text format. Made from a running agent by \`npm run docs:metrics\`; a test fails
when it is not current. Labels are closed sets and all there from zero, but for the names of upstreams; none is a digest, a repository
or a peer. Alerts for it: [alerts.md](alerts.md); a dashboard: [\`config/grafana\`](../config/grafana).

| metric | kind | labels | says |
|---|---|---|---|
`

/** Labels whose values are an operator's own, or a host's. */
const OPEN_LABELS = new Set(['upstream', 'version', 'region', 'major', 'minor', 'patch'])

interface Family {
  readonly name: string
  help: string
  kind: string
  readonly labels: Map<string, Set<string>>
}

/** The page \`docs/metrics.md\`, from what a real agent shows. */
export async function metricsPage(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-metrics-'))
  try {
    await using agent = new AgentProcess(directory)
    const { admin } = await agent.ready
    const response = await fetch(`http://${admin}/metrics`)
    return pageOf(await response.text())
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function pageOf(text: string): string {
  const families = [...familiesOf(text)].sort((a, b) => rank(a.name) - rank(b.name) || a.name.localeCompare(b.name))
  const rows = families.map(({ name, kind, help, labels }) => {
    const named = [...labels].map(([label, values]) => `\`${label}\`${valuesText(name, label, values)}`)
    return `| \`${name}\` | ${kind} | ${named.join('; ')} | ${help.replaceAll('|', '\\|').replace(/\.$/, '')} |`
  })
  return `${HEAD}${rows.join('\n')}\n`
}

/** Shoal's own first. */
function rank(name: string): number {
  return name.startsWith('shoal_') ? 0 : 1
}

/** The engine's own labels come as their first value does: an agent that has just started has not all of them. */
function valuesText(name: string, label: string, values: ReadonlySet<string>): string {
  if (OPEN_LABELS.has(label) || name.startsWith('nodejs_')) return ''
  return `: ${[...values].map((value) => `\`${value}\``).join(' ')}`
}

function familiesOf(text: string): Iterable<Family> {
  const families = new Map<string, Family>()
  const family = (name: string): Family => {
    const known = families.get(name) ?? { name, help: '', kind: '', labels: new Map() }
    families.set(name, known)
    return known
  }
  for (const line of text.split('\n')) {
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (word === 'HELP') family(name).help = rest
    if (word === 'TYPE') family(name).kind = rest
    const [, sample = '', labels = ''] = /^([a-z_0-9]+)(?:\{(.*)\})? /.exec(line) ?? []
    const owner = families.get(sample) ?? families.get(sample.replace(/_(bucket|sum|count)$/, ''))
    for (const [, label = '', value = ''] of owner === undefined ? [] : labels.matchAll(/(\w+)="([^"]*)"/g)) {
      if (label !== 'le') owner?.labels.set(label, (owner.labels.get(label) ?? new Set()).add(value))
    }
  }
  return families.values()
}
