import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '../../src/base/log.ts'
import { noMetrics } from '../../src/base/metrics.ts'
import type { HostView, PrewarmView } from '../../src/prewarm/index.ts'
import { createJob } from '../../src/prewarm/job.ts'
import { JobStore } from '../../src/prewarm/job-store.ts'
import { DiskStore } from '../../src/store/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'
import { capacityOf, newJob, planOf, reportOf, specOf } from '../unit/prewarm/fixtures.ts'

const HOSTS = 12_000
const ID = 'job-of-12000'

/** What a cache has on its disk after a job of many hosts: written by the code that writes it there. */
async function writeJob(path: string): Promise<void> {
  const options = { path, capacityBytes: 2 ** 30, minFreeBytes: 0 }
  await using store = await DiskStore.open(options, { logger: silentLogger, metrics: noMetrics })
  const jobStore = new JobStore(store)
  const plan = planOf(200)
  const capacities = [capacityOf('default', HOSTS)]
  const row = createJob(newJob({ id: ID, root: 'default', spec: specOf(), plan, capacities }), Date.now())
  await jobStore.put({ ...row, state: 'done', endedEpochMs: Date.now() }).written
  const key = (i: number): string => `12D3KooW${String(i).padStart(44, 'x')}`
  const hosts = Array.from({ length: HOSTS }, (_, i) => ({ key: key(i), name: `web-${i} (10.0.0.1:7071)` }))
  await jobStore.saveRoster(ID, 0, hosts)
  const report = reportOf({ state: 'ready', haveBytes: plan.bytes, blobs: new Uint8Array(25).fill(255) })
  await Promise.all(hosts.map((host) => jobStore.saveEnded(ID, host.key, report)))
}

async function hostsOf(host: TestNode): Promise<readonly HostView[]> {
  const { hosts } = (await host.admin(`prewarm/${ID}/hosts`)) as { hosts: HostView[] } // the server's own JSON
  return hosts
}

test('twelve thousand hosts of one job are listed whole, from any host, in the order of the job', async (t) => {
  const fleet = await NodeFleet.create(t)
  const path = join(fleet.directory, 'cache')
  await writeJob(path)
  const upstreams = [directoryUpstream('registry.test', fleet.directory)]
  const cache = await fleet.start({ role: 'cache', upstreams, store: { path } })
  const agent = await fleet.start({ caches: [cache], upstreams })
  for (const host of [cache, agent]) {
    await eventually('the cache has read what it has of ended jobs', async () => (await hostsOf(host)).length > 0)
    const hosts = await hostsOf(host)
    assert.equal(hosts.length, HOSTS)
    assert.deepEqual(
      hosts.map(({ name }) => name),
      hosts.map((_, i) => `web-${i} (10.0.0.1:7071)`),
    )
    assert.ok(hosts.every(({ state, blobsDone }) => state === 'ready' && blobsDone === 200))
  }
  const job = (await agent.admin(`prewarm/${ID}`)) as PrewarmView // the server's own JSON
  assert.deepEqual([job.hosts.total, job.hosts.ready, job.bytes.have], [HOSTS, HOSTS, job.bytes.total])
  const admin = `http://${agent.node.addresses.admin}`
  const { code, stdout } = await runCommand(['prewarm', 'show', ID, '--hosts', '--json', '--admin', admin])
  assert.deepEqual([code, JSON.parse(stdout).hostList.length], [0, HOSTS])
})
