import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Fleet } from '../../src/demo/index.ts'
import { containersConfig } from '../support/containers-image.ts'
import { execute } from '../support/execute.ts'
import { logsOnFailure } from '../support/logs-on-failure.ts'
import { pullLine } from '../support/pull-lines.ts'
import { busybox, runtimeTest } from '../support/runtime-test.ts'
import { TempDir } from '../support/temp-dir.ts'

const NEEDS = { programs: ['podman', 'conmon', 'runc', 'busybox'], packages: 'podman runc busybox-static' }

runtimeTest('podman pulls and runs an image through a mirror with the registry in its path', NEEDS, async (t) => {
  await using temp = await TempDir.make()
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 1 }] })
  logsOnFailure(t, fleet)
  await fleet.push({ sizeBytes: 16 * 1024 * 1024, layerCount: 3, program: busybox('from podman') }, 'team/app:1')
  const mirror = new URL(fleet.agents[0]?.mirrorUrl ?? '').host
  const { policy, env } = await containersConfig(temp.path, 'registry.test', mirror)
  const podman = async (...args: string[]): Promise<string> =>
    (await execute('podman', [...storageIn(temp.path), ...args], { env })).stdout
  try {
    await podman('pull', '--signature-policy', policy, 'registry.test/team/app:1')
    // Limits no higher than what any machine allows: podman's own defaults ask for more than some give.
    const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024']
    const image = 'registry.test/team/app:1'
    assert.equal(
      await podman('run', ...limits, '--network=none', '--log-driver=k8s-file', '--rm', image),
      'from podman\n',
    )
    const { runtime, result } = await pullLine(fleet.agents[0]!, image)
    assert.deepEqual([runtime.split('/')[0], result], ['containers', 'done'])
  } finally {
    // Lets go of mounts, so that the directory can be removed.
    await podman('system', 'reset', '--force')
  }
})

function storageIn(directory: string): string[] {
  const paths = [
    '--root',
    join(directory, 'root'),
    '--runroot',
    join(directory, 'run'),
    '--tmpdir',
    join(directory, 'tmp'),
  ]
  return [
    ...paths,
    '--storage-driver',
    'vfs',
    '--runtime',
    'runc',
    '--cgroup-manager',
    'cgroupfs',
    '--events-backend',
    'file',
  ]
}
