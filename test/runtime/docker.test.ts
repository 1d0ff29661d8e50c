import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Fleet } from '../../src/demo/index.ts'
import { DockerRegistry } from '../support/docker-registry.ts'
import { Dockerd } from '../support/dockerd.ts'
import { execute } from '../support/execute.ts'
import { logsOnFailure } from '../support/logs-on-failure.ts'
import { pullLine } from '../support/pull-lines.ts'
import { busybox, findProgram, runtimeTest } from '../support/runtime-test.ts'
import { TempDir } from '../support/temp-dir.ts'

const NEEDS = {
  programs: ['dockerd', 'docker', 'containerd', 'runc', 'busybox'],
  packages: 'docker.io containerd runc busybox-static',
}
const REGISTRY = {
  programs: [...NEEDS.programs, 'docker-registry'],
  packages: `${NEEDS.packages} docker-registry`,
}
const MIB = 1024 * 1024
const REGIONS = [{ name: 'default', caches: 1, agents: 1 }]

runtimeTest(
  'Docker Engine pulls and runs Docker Hub images that only the bucket has, through an agent',
  NEEDS,
  async (t) => {
    await using temp = await TempDir.make()
    await using fleet = await Fleet.start({ regions: REGIONS })
    logsOnFailure(t, fleet)
    const { image } = await fleet.push(
      { sizeBytes: 24 * MIB, layerCount: 3, program: busybox('from an oci image') },
      'library/oci:1',
    )
    await fleet.push(
      { sizeBytes: 8 * MIB, format: 'docker', gzip: true, program: busybox('from a docker image'), seed: 2 },
      'library/schema2:1',
    )
    await using dockerd = await Dockerd.start(join(temp.path, 'd'), { mirror: fleet.agents[0]?.mirrorUrl ?? '' })
    assert.equal(await dockerd.docker('run', '--network=none', '--rm', 'oci:1'), 'from an oci image\n')
    assert.equal(await dockerd.docker('run', '--network=none', '--rm', 'schema2:1'), 'from a docker image\n')
    await assert.rejects(dockerd.docker('pull', 'nowhere:1'))
    const { runtime, result, bytes } = await pullLine(fleet.agents[0]!, 'docker.io/library/oci:1')
    assert.deepEqual([runtime.split('/')[0], result, bytes], ['docker', 'done', image.sizeBytes])
  },
)

runtimeTest(
  'what docker pushes to a registry is pulled from its bucket, and from the registry itself',
  REGISTRY,
  async (t) => {
    await using temp = await TempDir.make()
    await using registry = await DockerRegistry.start(temp.path)
    const direct = {
      name: 'registry.test',
      access: 'public',
      origins: [{ kind: 'registry', url: registry.url }],
    } as const
    await using fleet = await Fleet.start({ regions: REGIONS, upstreams: ['docker.io', direct] })
    logsOnFailure(t, fleet)
    const mirror = fleet.agents[0]?.mirrorUrl ?? ''
    await using dockerd = await Dockerd.start(join(temp.path, 'd'), { mirror })
    const pushed = `${registry.address}/library/pushed:1`
    await importProgram(dockerd, temp.path, pushed)
    await dockerd.docker('push', pushed)
    await dockerd.docker('rmi', pushed)
    await fleet.origin.copyTree(registry.root)

    const run = (image: string): Promise<string> => dockerd.docker('run', '--network=none', '--rm', image)
    assert.equal(await run('pushed:1'), 'from a push\n')
    await dockerd.docker('rmi', 'pushed:1')
    // No mirror setting reaches registries other than Docker Hub: the agent's address stands in front of their name.
    assert.equal(await run(`${mirror.replace('http://', '')}/registry.test/library/pushed:1`), 'from a push\n')
  },
)

/** Makes an image of nothing but busybox, named `reference`. */
async function importProgram(dockerd: Dockerd, directory: string, reference: string): Promise<void> {
  const archive = join(directory, 'program.tar')
  const file = findProgram('busybox') ?? ''
  await execute('tar', ['-cf', archive, '--transform', 's,.*,bin/busybox,', '-C', '/', file.slice(1)])
  const entrypoint = 'ENTRYPOINT ["/bin/busybox", "echo", "from a push"]'
  await dockerd.docker('import', '--change', entrypoint, archive, reference)
}
