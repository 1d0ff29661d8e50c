import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { AgentProcess } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import { ContainerdLoader } from '../../src/runtime/containerd-loader.ts'
import { Containerd } from '../support/containerd.ts'
import { logsOnFailure } from '../support/logs-on-failure.ts'
import { pushIndex } from '../support/push-index.ts'
import { busybox, runtimeTest } from '../support/runtime-test.ts'
import { TempDir } from '../support/temp-dir.ts'

const NEEDS = { programs: ['containerd', 'ctr', 'runc', 'busybox'], packages: 'containerd runc busybox-static' }
const MIB = 1024 * 1024
const never = new AbortController().signal

function loaderFor(containerd: { readonly socketPath: string }, directory: string, agent: AgentProcess | undefined) {
  return new ContainerdLoader({
    socketPath: containerd.socketPath,
    namespace: 'k8s.io',
    snapshotter: 'native',
    command: 'ctr',
    mirror: new URL(agent?.mirrorUrl ?? '').host,
    hostsDir: join(directory, 'load-hosts'),
  })
}

runtimeTest(
  'containerd loads what its agent has while origin and cache are cut off, and runs it without the agent',
  NEEDS,
  async (t) => {
    await using temp = await TempDir.make()
    await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 1 }] })
    logsOnFailure(t, fleet)
    const [agent] = fleet.agents as [AgentProcess]
    const { image } = await fleet.push(
      { sizeBytes: 24 * MIB, layerCount: 3, gzip: true, program: busybox('from containerd') },
      'team/app:1',
    )
    await fleet.pull(agent, 'registry.test/team/app:1')
    const index = await pushIndex(fleet, temp.path, 'team/multi:1', 'from an index')
    await fleet.pull(agent, 'registry.test/team/multi:1')
    await fleet.origin.setFaults({ refuse: true })
    await fleet.caches[0]?.kill()

    await using containerd = await Containerd.start(join(temp.path, 'c'))
    const loader = loaderFor(containerd, temp.path, agent)
    const named = { upstream: 'registry.test', repository: 'team/app', tag: '1', digest: image.manifest.digest }
    await loader.load(named, never)
    await loader.load(named, never)

    await loader.load({ ...named, repository: 'team/multi', digest: index.manifest.digest }, never)

    await agent.kill()
    const flags = ['--rm', '--snapshotter', 'native', 'registry.test/team/app:1', 'shoal-test']
    assert.equal(await containerd.ctr('--namespace', 'k8s.io', 'run', ...flags), 'from containerd\n')
    flags[3] = 'registry.test/team/multi:1'
    assert.equal(await containerd.ctr('--namespace', 'k8s.io', 'run', ...flags), 'from an index\n')
  },
)

runtimeTest('what containerd cannot load is an error that says why', NEEDS, async (t) => {
  await using temp = await TempDir.make()
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 0, agents: 1 }] })
  logsOnFailure(t, fleet)
  const agent = fleet.agents[0]
  const { image } = await fleet.push({ sizeBytes: 4 * MIB, layerCount: 1 }, 'team/app:1')
  const named = { upstream: 'registry.test', repository: 'team/app', tag: '1', digest: image.manifest.digest }
  await using containerd = await Containerd.start(join(temp.path, 'c'))
  const loader = loaderFor(containerd, temp.path, agent)
  await assert.rejects(
    loader.load({ ...named, repository: 'team/none' }, never),
    /containerd at .*sock cannot pull registry\.test\/team\/none@sha256:.*not found/,
  )
  const absent = loaderFor({ socketPath: join(temp.path, 'none') }, temp.path, agent)
  await assert.rejects(absent.load(named, never), /containerd does not answer at .*none \(ENOENT\): is it running/)
})
