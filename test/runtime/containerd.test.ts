import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Fleet } from '../../src/demo/index.ts'
import { Containerd } from '../support/containerd.ts'
import { logsOnFailure } from '../support/logs-on-failure.ts'
import { pullLine } from '../support/pull-lines.ts'
import { busybox, runtimeTest } from '../support/runtime-test.ts'
import { TempDir } from '../support/temp-dir.ts'

const NEEDS = { programs: ['containerd', 'ctr', 'runc', 'busybox'], packages: 'containerd runc busybox-static' }

runtimeTest('containerd pulls another registry by ?ns= through hosts.toml, and runs it', NEEDS, async (t) => {
  await using temp = await TempDir.make()
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 1 }] })
  logsOnFailure(t, fleet)
  const { image } = await fleet.push(
    { sizeBytes: 24 * 1024 * 1024, layerCount: 3, program: busybox('from containerd') },
    'team/app:1',
  )
  await using containerd = await Containerd.start(join(temp.path, 'c'))
  await containerd.useMirror('registry.test', fleet.agents[0]?.mirrorUrl ?? '')
  await containerd.pull('registry.test/team/app:1')
  assert.match(
    await containerd.ctr('images', 'list'),
    new RegExp(`registry.test/team/app:1 .*${image.manifest.digest}`),
  )
  const printed = await containerd.ctr(
    'run',
    '--rm',
    '--snapshotter',
    'native',
    'registry.test/team/app:1',
    'shoal-test',
  )
  assert.equal(printed, 'from containerd\n')
  await assert.rejects(containerd.pull('registry.test/team/none:1'), /not found/)
  const { runtime, result, bytes } = await pullLine(fleet.agents[0]!, 'registry.test/team/app:1')
  assert.deepEqual([runtime.split('/')[0], result, bytes], ['containerd', 'done', image.sizeBytes])
})
