import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentProcess } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import { eventually } from '../support/eventually.ts'
import { execute } from '../support/execute.ts'
import { logsOnFailure } from '../support/logs-on-failure.ts'
import { dashboardQueries, Prometheus, RULES_FILE, readRules } from '../support/prometheus.ts'
import { runtimeTest } from '../support/runtime-test.ts'
import { TempDir } from '../support/temp-dir.ts'

const NEEDS = { programs: ['prometheus', 'promtool'], packages: 'prometheus' }
const MIB = 1024 * 1024

/** `series: values` as promtool's own notation has them, one value a minute. */
type Series = Readonly<Record<string, string>>

/** For every alert what makes it fire after twenty minutes, and what is close to that and does not. */
const CASES: Readonly<Record<string, { readonly fires: Series; readonly silent: Series }>> = {
  ShoalHostDown: {
    fires: { 'up{job="shoal",instance="a"}': '0x30' },
    silent: { 'up{job="shoal",instance="a"}': '1x30', 'up{job="other",instance="b"}': '0x30' },
  },
  ShoalNoCache: {
    fires: { 'shoal_tier_state{state="acting",instance="a"}': '1x30' },
    // a cache that restarts
    silent: { 'shoal_tier_state{state="acting",instance="a"}': '0x17 1 0x12' },
  },
  ShoalOriginFails: {
    fires: { 'shoal_origin_state{upstream="u",state="denied",instance="a"}': '1x30' },
    silent: {
      'shoal_origin_state{upstream="u",state="ok",instance="a"}': '1x30',
      'shoal_origin_state{upstream="u",state="denied",instance="a"}': '0x30',
    },
  },
  ShoalPullsRefused: {
    fires: {
      'shoal_pulls_total{result="refused",job="shoal"}': '0+2x30',
      'shoal_pulls_total{result="done",job="shoal"}': '0+8x30',
    },
    silent: {
      'shoal_pulls_total{result="refused",job="shoal"}': '0+1x30',
      'shoal_pulls_total{result="done",job="shoal"}': '0+99x30',
      'shoal_pulls_total{result="checked",job="shoal"}': '0+9x30',
    },
  },
  ShoalPullsSlow: {
    fires: {
      'shoal_pull_seconds_bucket{le="300",job="shoal"}': '0+1x30',
      'shoal_pull_seconds_bucket{le="600",job="shoal"}': '0+5x30',
      'shoal_pull_seconds_bucket{le="+Inf",job="shoal"}': '0+5x30',
    },
    silent: {
      'shoal_pull_seconds_bucket{le="300",job="shoal"}': '0+5x30',
      'shoal_pull_seconds_bucket{le="600",job="shoal"}': '0+5x30',
      'shoal_pull_seconds_bucket{le="+Inf",job="shoal"}': '0+5x30',
    },
  },
  ShoalHostSlow: {
    fires: { 'shoal_oldest_transfer_seconds{instance="a"}': '0+60x30' },
    silent: { 'shoal_oldest_transfer_seconds{instance="a"}': '0 60 120 180 0 60 120 180 240 300 360x20' },
  },
  ShoalHostReadsOrigin: {
    fires: {
      'shoal_received_bytes_total{from="origin",instance="a"}': '0+1000x30',
      'shoal_build_info{role="agent",instance="a"}': '1x30',
      'shoal_tier_state{state="linked",instance="a"}': '1x30',
    },
    silent: {
      'shoal_received_bytes_total{from="origin",instance="a"}': '0+1000x30',
      'shoal_build_info{role="cache",instance="a"}': '1x30',
      'shoal_tier_state{state="linked",instance="a"}': '1x30',
    },
  },
  ShoalDiskUnusable: {
    fires: { 'shoal_store_state{state="read_only",instance="a"}': '1x30' },
    silent: {
      'shoal_store_state{state="ok",instance="a"}': '1x30',
      'shoal_store_state{state="full",instance="a"}': '0x30',
    },
  },
  ShoalDiskNearlyFull: {
    fires: { 'shoal_store_free_bytes{instance="a"}': '1000000000x30' },
    silent: { 'shoal_store_free_bytes{instance="a"}': '9000000000x30' },
  },
  ShoalDiskCorrupts: {
    fires: { 'shoal_store_corrupt_total{kind="piece",instance="a"}': '0x10 1x20' },
    silent: { 'shoal_store_corrupt_total{kind="piece",instance="a"}': '7x30' },
  },
  ShoalPrewarmFailed: {
    fires: { 'shoal_prewarm_jobs{state="failed",job="shoal"}': '1x10 2x20' },
    silent: {
      'shoal_prewarm_jobs{state="failed",job="shoal"}': '2x30',
      'shoal_prewarm_jobs{state="done",job="shoal"}': '0+1x30',
    },
  },
  ShoalCredentialEnds: {
    fires: { 'shoal_credential_expiry_timestamp_seconds{role="cache",instance="a"}': '86400x30' },
    silent: { 'shoal_credential_expiry_timestamp_seconds{role="cache",instance="a"}': '8640000x30' },
  },
  ShoalBusy: {
    fires: { 'nodejs_eventloop_lag_p99_seconds{job="shoal",instance="a"}': '0.8x30' },
    silent: {
      'nodejs_eventloop_lag_p99_seconds{job="shoal",instance="a"}': '0.01x30',
      'nodejs_eventloop_lag_p99_seconds{job="other",instance="b"}': '3x30',
    },
  },
  ShoalFewFiles: {
    fires: {
      'process_open_fds{job="shoal",instance="a"}': '950x30',
      'process_max_fds{job="shoal",instance="a"}': '1000x30',
    },
    silent: {
      'process_open_fds{job="shoal",instance="a"}': '95x30',
      'process_max_fds{job="shoal",instance="a"}': '1000x30',
    },
  },
}

function ruleTest(alert: string, series: Series, fires: boolean): object {
  return {
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      {
        expr: `count(ALERTS{alertname="${alert}",alertstate="firing"})`,
        eval_time: '20m',
        exp_samples: fires ? [{ labels: '{}', value: 1 }] : [],
      },
    ],
  }
}

runtimeTest('every alert fires when it should and is silent when it should be', NEEDS, async () => {
  await using temp = await TempDir.make()
  const { groups } = await readRules()
  const alerts = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert))
  assert.deepEqual(Object.keys(CASES).sort(), alerts.sort())
  const tests = Object.entries(CASES).flatMap(([alert, { fires, silent }]) => [
    ruleTest(alert, fires, true),
    ruleTest(alert, silent, false),
  ])
  const file = join(temp.path, 'rules-test.yaml')
  await writeFile(file, JSON.stringify({ rule_files: [RULES_FILE], evaluation_interval: '1m', tests }))
  await execute('promtool', ['test', 'rules', file])
})

function target({ adminUrl }: AgentProcess): string {
  return new URL(adminUrl).host
}

/** What Prometheus' own tool has to say about the metrics of a host. */
async function lints({ adminUrl, role }: AgentProcess, directory: string): Promise<string> {
  const file = join(directory, role)
  await writeFile(file, await (await fetch(`${adminUrl}/metrics`)).text())
  const { stdout, stderr } = await execute('sh', ['-c', `promtool check metrics < ${file}`])
  return stdout + stderr
}

runtimeTest(
  'a real Prometheus over a real fleet: no lints, every panel shows something, alerts fire for what happens',
  NEEDS,
  async (t) => {
    await using temp = await TempDir.make()
    const dead = {
      name: 'dead.test',
      access: 'node',
      origins: [{ kind: 'registry', url: 'http://127.0.0.1:1' }],
    } as const
    await using fleet = await Fleet.start({
      regions: [{ name: 'default', caches: 1, agents: 2 }],
      upstreams: ['registry.test', dead],
    })
    logsOnFailure(t, fleet)
    const [agent, other] = fleet.agents
    const [cache] = fleet.caches
    assert.ok(agent !== undefined && other !== undefined && cache !== undefined)
    await using prometheus = await Prometheus.start(temp.path, [agent, other, cache].map(target))
    await eventually('all are scraped', async () => (await prometheus.query('up == 1')).length === 3)
    const { reference } = await fleet.push({ sizeBytes: 8 * MIB, layerCount: 2 }, 'team/app:1')
    for (const host of [agent, other]) await fleet.pull(host, reference)
    for (const host of [agent, cache]) assert.equal(await lints(host, temp.path), '')
    for (const { panel, expr } of await dashboardQueries()) {
      await eventually(
        `the panel "${panel}" shows something: ${expr}`,
        async () => (await prometheus.query(expr)).length > 0,
      )
    }
    assert.deepEqual(await prometheus.firing(), [], 'all is well')
    await assert.rejects(fleet.pull(agent, 'dead.test/app:1', { attempts: 1 }))
    await eventually('an origin that does not answer is told', async () =>
      (await prometheus.firing()).includes('ShoalOriginFails'),
    )
    await cache.kill()
    const wanted = ['ShoalHostDown', 'ShoalNoCache']
    await eventually('a cache that is gone is told, by who looks for it and by its own silence', async () => {
      const firing = await prometheus.firing()
      return wanted.every((alert) => firing.includes(alert))
    })
    // the refused pull is over once it has been quiet
    await eventually('runtimes that go to the registry themselves are told', async () =>
      (await prometheus.firing()).includes('ShoalPullsRefused'),
    )
  },
)
