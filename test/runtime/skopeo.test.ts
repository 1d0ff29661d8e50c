import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Fleet } from '../../src/demo/index.ts'
import { containersConfig } from '../support/containers-image.ts'
import { execute } from '../support/execute.ts'
import { logsOnFailure } from '../support/logs-on-failure.ts'
import { runtimeTest } from '../support/runtime-test.ts'
import { TempDir } from '../support/temp-dir.ts'

const NEEDS = { programs: ['skopeo'], packages: 'skopeo' }

runtimeTest(
  'skopeo copies an image, digests kept, through a mirror with the registry in its path',
  NEEDS,
  async (t) => {
    await using temp = await TempDir.make()
    await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 1 }] })
    logsOnFailure(t, fleet)
    const { image } = await fleet.push({ sizeBytes: 24 * 1024 * 1024, layerCount: 3, gzip: true }, 'team/app:1')
    const mirror = new URL(fleet.agents[0]?.mirrorUrl ?? '').host
    const { registriesConf, policy, env } = await containersConfig(temp.path, 'registry.test', mirror)
    const skopeo = (...args: string[]) =>
      execute('skopeo', ['--registries-conf', registriesConf, '--policy', policy, ...args], { env })
    const copy = `oci:${join(temp.path, 'copy')}:1`
    await skopeo('copy', '--preserve-digests', 'docker://registry.test/team/app:1', copy)
    const { stdout } = await skopeo('inspect', '--format', '{{.Digest}}', copy)
    assert.equal(stdout.trim(), image.manifest.digest)
  },
)
