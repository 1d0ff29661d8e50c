import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { AgentProcess, PushedImage } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import { parseReference } from '../../src/oci/reference.ts'
import { DockerLoader } from '../../src/runtime/docker-loader.ts'
import type { LoadImage } from '../../src/runtime/image-loader.ts'
import { Dockerd } from '../support/dockerd.ts'
import { logsOnFailure } from '../support/logs-on-failure.ts'
import { pushIndex } from '../support/push-index.ts'
import { busybox, runtimeTest } from '../support/runtime-test.ts'
import { TempDir } from '../support/temp-dir.ts'

const NEEDS = {
  programs: ['dockerd', 'docker', 'containerd', 'runc', 'busybox'],
  packages: 'docker.io containerd runc busybox-static',
}
const MIB = 1024 * 1024
const never = new AbortController().signal

/** What a prewarm job hands to a loader for a pushed image. */
function loadImage({ image }: PushedImage, name: string): LoadImage {
  const { upstream, repository, target } = parseReference(name, 'docker.io')
  return { upstream, repository, digest: image.manifest.digest, tag: target.kind === 'tag' ? target.tag : null }
}

function mirrorOf(agent: AgentProcess | undefined): string {
  return new URL(agent?.mirrorUrl ?? '').host
}

runtimeTest(
  'Docker Engine loads what its agent has while origin, cache and peers are cut off, and runs it without the agent',
  NEEDS,
  async (t) => {
    await using temp = await TempDir.make()
    await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 2 }] })
    logsOnFailure(t, fleet)
    const [agent, peer] = fleet.agents as [AgentProcess, AgentProcess]
    const other = await fleet.push({ sizeBytes: 24 * MIB, layerCount: 3, program: busybox('from team') }, 'team/app:1')
    const hub = await fleet.push(
      { sizeBytes: 8 * MIB, layerCount: 2, gzip: true, program: busybox('from the hub'), seed: 2 },
      'library/hub:2',
    )
    await fleet.pull(agent, 'registry.test/team/app:1')
    const index = await pushIndex(fleet, temp.path, 'team/multi:1', 'from an index')
    await fleet.pull(agent, 'registry.test/team/multi:1')
    await fleet.pull(agent, 'docker.io/library/hub:2')
    await fleet.origin.setFaults({ refuse: true })
    await peer.kill()
    await fleet.caches[0]?.kill()

    await using dockerd = await Dockerd.start(join(temp.path, 'd'), { mirror: agent.mirrorUrl })
    const loader = new DockerLoader({ socketPath: dockerd.socketPath, mirror: mirrorOf(agent) })
    await loader.load(loadImage(other, 'registry.test/team/app:1'), never)
    await loader.load(loadImage(hub, 'docker.io/library/hub:2'), never)
    const multi = { upstream: 'registry.test', repository: 'team/multi', tag: '1', digest: index.manifest.digest }
    await loader.load(multi, never)
    // Again: nothing to do, and no error.
    await loader.load(loadImage(hub, 'docker.io/library/hub:2'), never)

    await agent.kill()
    const run = (image: string): Promise<string> =>
      dockerd.docker('run', '--pull=never', '--network=none', '--rm', image)
    assert.equal(await run('registry.test/team/app:1'), 'from team\n')
    assert.equal(await run('registry.test/team/multi:1'), 'from an index\n')
    assert.equal(await run('hub:2'), 'from the hub\n')
    // Docker Hub's images keep their digest as well, so that what was deployed by digest starts too.
    assert.equal(await run(`hub@${hub.image.manifest.digest}`), 'from the hub\n')
    const names = (await dockerd.docker('images', '--digests', '--format', '{{.Repository}}')).trim().split('\n')
    assert.deepEqual(
      names.filter((name) => name.includes('127.0.0.1')),
      [],
      'no name of the mirror stays',
    )
  },
)

runtimeTest('what Docker Engine cannot load is an error that says why', NEEDS, async (t) => {
  await using temp = await TempDir.make()
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 0, agents: 1 }] })
  logsOnFailure(t, fleet)
  const agent = fleet.agents[0]
  const pushed = await fleet.push({ sizeBytes: 8 * MIB, layerCount: 2 }, 'team/app:1')
  // Nobody listed this mirror in registry-mirrors: Docker Hub's names must not leave the host either.
  await using dockerd = await Dockerd.start(join(temp.path, 'd'), { mirror: 'http://127.0.0.1:9' })
  const mirror = mirrorOf(agent)
  const loader = new DockerLoader({ socketPath: dockerd.socketPath, mirror })
  await assert.rejects(loader.load(loadImage(pushed, 'registry.test/team/none:1'), never), (error: Error) =>
    /Docker Engine at .*sock refuses: .*registry\.test\/team\/none.* not found/.test(error.message),
  )

  await loader.load(loadImage(pushed, 'docker.io/team/app:1'), never)
  assert.match(await dockerd.docker('images', '--format', '{{.Repository}}:{{.Tag}}'), /^team\/app:1$/m)

  const absent = new DockerLoader({ socketPath: join(temp.path, 'none'), mirror })
  await assert.rejects(
    absent.load(loadImage(pushed, 'docker.io/team/app:1'), never),
    /no such socket; is dockerd running/,
  )
})
