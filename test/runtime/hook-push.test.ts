import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { buildImage, Fleet } from '../../src/demo/index.ts'
import { DockerRegistry } from '../support/docker-registry.ts'
import { eventually } from '../support/eventually.ts'
import { logsOnFailure } from '../support/logs-on-failure.ts'
import { runtimeTest } from '../support/runtime-test.ts'
import { skopeoPush } from '../support/skopeo-push.ts'
import { TempDir } from '../support/temp-dir.ts'

const SECRET = 'the-secret-of-the-rule'
const MIB = 1024 * 1024
const blobsSchema = z.object({
  blobs: z.array(z.object({ digest: z.string(), state: z.string(), pinned: z.boolean() })),
})

runtimeTest(
  'a push to a real docker-registry brings the image to every host by rule, pinned, before anybody pulls',
  { programs: ['docker-registry', 'skopeo'], packages: 'docker-registry skopeo' },
  async (t) => {
    await using temp = await TempDir.make()
    const secretFile = join(temp.path, 'hook.secret')
    await writeFile(secretFile, SECRET, { mode: 0o600 })
    const place = join(temp.path, 'r')
    const rule = { source: 'distribution', upstream: 'registry.test', repository: 'team/**', tag: 'v*', secretFile }
    await using fleet = await Fleet.start({
      regions: [{ name: 'default', caches: 1, agents: 2 }],
      // The directory that the registry writes to, once it runs.
      upstreams: [
        { name: 'registry.test', access: 'node', origins: [{ kind: 'directory', path: join(place, 'registry') }] },
      ],
      config: ({ role }) => (role === 'cache' ? { prewarm: { hooks: [{ ...rule, options: { pin: '1h' } }] } } : {}),
    })
    logsOnFailure(t, fleet)
    const notify = { url: `${fleet.caches[0]?.adminUrl}/hooks/distribution`, authorization: `Bearer ${SECRET}` }
    await using registry = await DockerRegistry.start(place, { notify })
    const image = await buildImage(join(temp.path, 'built'), { sizeBytes: 8 * MIB, layerCount: 2 })
    const other = await buildImage(join(temp.path, 'built'), { sizeBytes: MIB, layerCount: 1, seed: 2 })
    await skopeoPush(join(temp.path, 'other'), other, `${registry.address}/team/app:latest`)
    await skopeoPush(join(temp.path, 'push'), image, `${registry.address}/team/app:v1`)
    for (const host of fleet.agents) {
      await eventually(`${host.name} has the image`, async () => {
        const { blobs } = blobsSchema.parse(await host.api('blobs'))
        const kept = new Set(
          blobs.flatMap(({ digest, state, pinned }) => (state === 'complete' && pinned ? digest : [])),
        )
        return [image.manifest, image.config, ...image.layers].every(({ digest }) => kept.has(digest))
      })
      const { blobs } = blobsSchema.parse(await host.api('blobs'))
      assert.ok(!blobs.some(({ digest }) => digest === other.manifest.digest), 'no rule wants the tag latest')
    }
  },
)
