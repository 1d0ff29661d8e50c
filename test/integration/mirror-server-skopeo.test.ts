import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import type { Digest } from '../../src/oci/digest.ts'
import { digestHex, digestOf } from '../../src/oci/digest.ts'
import { MEDIA_TYPE } from '../../src/oci/manifest.ts'
import { MemoryContent } from '../support/memory-content.ts'
import type { OpenMirror } from '../support/open-mirror.ts'
import { openMirror } from '../support/open-mirror.ts'

const SKOPEO = '/usr/bin/skopeo'
const run = promisify(execFile)

interface Image {
  readonly manifest: Buffer
  readonly digest: Digest
  readonly layer: Buffer
}

/** An image of one layer; the layer is large enough to need many chunks. */
function putImage(content: MemoryContent, upstream: string, repository: string): Image {
  const tar = Buffer.alloc(3_000_000, `layer of ${repository}`)
  const layer = gzipSync(tar, { level: 0 })
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Labels: { from: 'the server' } },
      rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
    }),
  )
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
      layers: [
        { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digestOf(layer), size: layer.length },
      ],
    }),
  )
  content.putBlob(upstream, repository, config)
  content.putBlob(upstream, repository, layer)
  const digest = content.putManifest(upstream, repository, manifest, { tag: 'v1', mediaType: MEDIA_TYPE.ociManifest })
  return { manifest, digest, layer }
}

describe('skopeo at the server', { skip: existsSync(SKOPEO) ? false : `${SKOPEO} is not installed` }, () => {
  const content = new MemoryContent()
  const image = putImage(content, 'local', 'team/app')
  let open: OpenMirror
  let home: string

  before(async () => {
    open = await openMirror(content)
    home = await mkdtemp(join(tmpdir(), 'shoal-skopeo-'))
  })
  after(async () => {
    await open[Symbol.asyncDispose]()
    await rm(home, { recursive: true, force: true })
  })

  const skopeo = (...parameters: string[]) =>
    run(SKOPEO, ['--insecure-policy', '--tmpdir', home, ...parameters], {
      timeout: 60_000,
      env: { HOME: home, PATH: '/usr/bin:/bin', REGISTRY_AUTH_FILE: join(home, 'none.json') },
    })

  it('inspects an image by tag, with its tags', async () => {
    const { stdout } = await skopeo('inspect', '--tls-verify=false', `docker://127.0.0.1:${open.port}/team/app:v1`)
    const answer = JSON.parse(stdout)
    assert.equal(answer.Digest, image.digest)
    assert.deepEqual(answer.RepoTags, ['v1'])
    assert.deepEqual(answer.Labels, { from: 'the server' })
  })

  it('copies an image by tag and by digest, every byte as it was', async () => {
    for (const [name, reference] of [
      ['tag', ':v1'],
      ['digest', `@${image.digest}`],
    ]) {
      const target = join(home, `copy-${name}`)
      const source = `docker://127.0.0.1:${open.port}/team/app${reference}`
      await skopeo('copy', '--src-tls-verify=false', source, `dir:${target}`)
      assert.deepEqual(await readFile(join(target, 'manifest.json')), image.manifest)
      assert.deepEqual(await readFile(join(target, digestHex(digestOf(image.layer)))), image.layer)
    }
  })

  it('copies through the prefix form of an upstream', async () => {
    const { digest } = putImage(content, 'registry.corp:5000', 'app')
    const target = join(home, 'prefixed')
    const source = `docker://127.0.0.1:${open.port}/registry.corp_5000/app:v1`
    await skopeo('copy', '--src-tls-verify=false', source, `dir:${target}`)
    assert.equal(digestOf(await readFile(join(target, 'manifest.json'))), digest)
  })

  it('is told of an image that does not exist', async () => {
    const source = `docker://127.0.0.1:${open.port}/team/app:none`
    await assert.rejects(skopeo('inspect', '--tls-verify=false', source), /manifest unknown|MANIFEST_UNKNOWN/i)
  })
})
