import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { metricsPage } from '../support/metrics-page.ts'
import { dashboardQueries, readRules } from '../support/prometheus.ts'

const ROOT = join(import.meta.dirname, '../..')
const METRIC = /\b(?:shoal|nodejs|process)_[a-z0-9_]+/g

async function page(name: string): Promise<string> {
  return readFile(join(ROOT, 'docs', name), 'utf8')
}

test('docs/metrics.md is what an agent shows (else run: npm run docs:metrics)', async () => {
  assert.equal(await page('metrics.md'), await metricsPage())
})

test('the dashboard, the alerts and the guides name metrics that there are', async () => {
  const known = new Set((await page('metrics.md')).match(METRIC))
  const queries = (await dashboardQueries()).map(({ expr }) => expr)
  const rules = (await readRules()).groups.flatMap((group) => group.rules.map(({ expr }) => expr))
  const guides = await Promise.all(['operations.md', 'alerts.md', 'why.md'].map(page))
  const used = [...queries, ...rules, ...guides].flatMap((text) => text.match(METRIC) ?? [])
  // a name may be told by its beginning or its end (`_bytes_per_second`)
  const missing = used.filter((name) => !known.has(name.replace(/_(bucket|sum|count)$/, '')))
  assert.deepEqual([...new Set(missing)], [])
})

test('docs/alerts.md says what to do about each alert', async () => {
  const told = [...(await page('alerts.md')).matchAll(/^\| `(Shoal\w+)` \|/gm)].map(([, name = '']) => name)
  const alerts = (await readRules()).groups.flatMap((group) => group.rules.map(({ alert }) => alert))
  assert.deepEqual(told, alerts)
})

test('the scrape configuration in docs/alerts.md is one', async () => {
  const block = /```yaml prometheus\.yml\n([\s\S]*?)```/.exec(await page('alerts.md'))?.[1] ?? ''
  const schema = z.object({
    rule_files: z.array(z.string()),
    scrape_configs: z.array(z.object({ job_name: z.literal('shoal'), static_configs: z.array(z.unknown()).min(1) })),
  })
  schema.parse(parse(block))
})
