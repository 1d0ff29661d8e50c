import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { FreePorts, ManagedProcess } from '../../src/demo/index.ts'
import { eventually } from './eventually.ts'

const ROOT = join(import.meta.dirname, '../..')
export const RULES_FILE = join(ROOT, 'config/prometheus/shoal.rules.yaml')
export const DASHBOARD_FILE = join(ROOT, 'config/grafana/shoal.json')

const rulesSchema = z.object({
  groups: z.array(
    z.object({ name: z.string(), rules: z.array(z.looseObject({ alert: z.string(), expr: z.string() })) }),
  ),
})
const dashboardSchema = z.object({
  panels: z.array(
    z.object({
      title: z.string(),
      type: z.string(),
      targets: z.array(z.object({ expr: z.string() })).optional(),
    }),
  ),
})
const answerSchema = z.object({
  status: z.literal('success'),
  data: z.object({ result: z.array(z.object({ metric: z.record(z.string(), z.string()) })) }),
})

export type Rules = z.infer<typeof rulesSchema>

export async function readRules(): Promise<Rules> {
  return rulesSchema.parse(parse(await readFile(RULES_FILE, 'utf8')))
}

/** Every query of the dashboard, with what Grafana puts in for its variables. */
export async function dashboardQueries(): Promise<{ panel: string; expr: string }[]> {
  const { panels } = dashboardSchema.parse(JSON.parse(await readFile(DASHBOARD_FILE, 'utf8')))
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      panel: title,
      expr: expr.replaceAll('$job', '.+').replaceAll('$__rate_interval', '1m'),
    })),
  )
}

/** Debian's Prometheus, scraping every second; alerts fire as soon as their expression holds: a test waits for no `for:`. */
export class Prometheus implements AsyncDisposable {
  readonly #url: string
  readonly #process: ManagedProcess

  private constructor(url: string, process: ManagedProcess) {
    this.#url = url
    this.#process = process
  }

  /** `targets`: `host:port` of admin servers. Keeps everything in `directory`. */
  static async start(directory: string, targets: readonly string[]): Promise<Prometheus> {
    const port = await new FreePorts().take()
    const { groups } = await readRules()
    const rules = groups.map((group) => ({ ...group, rules: group.rules.map((rule) => ({ ...rule, for: '0s' })) }))
    await writeFile(join(directory, 'rules.yaml'), JSON.stringify({ groups: rules }))
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: ['rules.yaml'],
      scrape_configs: [{ job_name: 'shoal', static_configs: [{ targets }] }],
    }
    await writeFile(join(directory, 'prometheus.yml'), JSON.stringify(config))
    const args = ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=127.0.0.1:${port}`]
    const process = await ManagedProcess.start({ name: 'prometheus', command: 'prometheus', args, cwd: directory })
    const prometheus = new Prometheus(`http://127.0.0.1:${port}`, process)
    await eventually('Prometheus answers', () => prometheus.#isReady())
    return prometheus
  }

  /** The label sets of what a query finds now. */
  async query(expr: string): Promise<Record<string, string>[]> {
    const response = await fetch(`${this.#url}/api/v1/query?${new URLSearchParams({ query: expr })}`)
    return answerSchema.parse(await response.json()).data.result.map(({ metric }) => metric)
  }

  /** The names of the alerts that fire now. */
  async firing(): Promise<string[]> {
    const alerts = await this.query('ALERTS{alertstate="firing"}')
    return [...new Set(alerts.map(({ alertname = '' }) => alertname))].sort()
  }

  async #isReady(): Promise<boolean> {
    return fetch(`${this.#url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]()
  }
}
