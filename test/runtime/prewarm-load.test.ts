import assert from 'node:assert/strict'
import { join } from 'node:path'
import { z } from 'zod'
import type { AgentProcess } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import { Dockerd } from '../support/dockerd.ts'
import { eventually } from '../support/eventually.ts'
import { logsOnFailure } from '../support/logs-on-failure.ts'
import { pushIndex } from '../support/push-index.ts'
import { runtimeTest } from '../support/runtime-test.ts'
import { TempDir } from '../support/temp-dir.ts'

const NEEDS = {
  programs: ['dockerd', 'docker', 'containerd', 'runc', 'busybox'],
  packages: 'docker.io containerd runc busybox-static',
}
const jobSchema = z.object({ id: z.string(), state: z.string(), reason: z.string().nullable() })

runtimeTest(
  'a job with --load docker leaves an image that docker runs with registry, cache, peers and agent gone',
  NEEDS,
  async (t) => {
    await using temp = await TempDir.make()
    const place = join(temp.path, 'd')
    await using fleet = await Fleet.start({
      regions: [{ name: 'default', caches: 1, agents: 1 }],
      config: ({ role }) => (role === 'agent' ? { prewarm: { docker: { socket: join(place, 'sock') } } } : {}),
    })
    logsOnFailure(t, fleet)
    const [agent] = fleet.agents as [AgentProcess]
    await using dockerd = await Dockerd.start(place, { mirror: agent.mirrorUrl })
    await pushIndex(fleet, temp.path, 'team/app:1', 'from a prewarmed image')

    const body = JSON.stringify({ images: ['registry.test/team/app:1'], load: 'docker' })
    const headers = { ...(await agent.adminHeaders()), 'content-type': 'application/json' }
    const answer = await fetch(`${agent.adminUrl}/api/v1/prewarm`, { method: 'POST', headers, body })
    const text = await answer.text()
    assert.ok(answer.ok, text)
    const { id } = jobSchema.parse(JSON.parse(text))
    await eventually('the job ends', async () => {
      const now = jobSchema.parse(await agent.api(`prewarm/${id}`))
      assert.ok(now.state === 'running' || now.state === 'done', `${now.state}: ${now.reason}`)
      return now.state === 'done'
    })

    await fleet.origin.setFaults({ refuse: true })
    for (const { agent: host } of fleet.hosts) await host.kill()
    const args = ['run', '--pull=never', '--network=none', '--rm', 'registry.test/team/app:1']
    assert.equal(await dockerd.docker(...args), 'from a prewarmed image\n')
  },
)
