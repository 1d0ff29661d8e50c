import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import type { BuiltImage } from '../../../src/demo/index.ts'
import { buildImage } from '../../../src/demo/index.ts'
import { buildIndex } from '../../support/build-index.ts'
import { TempDir } from '../../support/temp-dir.ts'

const MIB = 1024 * 1024
const execute = promisify(execFile)

async function json(path: string) {
  return JSON.parse(await readFile(path, 'utf8'))
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function blobsOf({ manifest, config, layers }: BuiltImage) {
  return [manifest, config, ...layers]
}

test('every descriptor tells the digest and size of its file', async () => {
  await using temp = await TempDir.make()
  const image = await buildImage(temp.path, { sizeBytes: 3 * MIB, layerCount: 3 })
  for (const { path, digest, size } of blobsOf(image)) {
    const bytes = await readFile(path)
    assert.equal(sha256(bytes), digest)
    assert.equal(bytes.length, size)
  }
  const manifest = await json(image.manifest.path)
  assert.equal(manifest.config.digest, image.config.digest)
  assert.deepEqual(
    manifest.layers.map((layer: { digest: string }) => layer.digest),
    image.layers.map(({ digest }) => digest),
  )
})

test('layers add up to the asked size, within a block each', async () => {
  await using temp = await TempDir.make()
  const { layers } = await buildImage(temp.path, { sizeBytes: 2 * MIB, layerCount: 3 })
  const total = layers.reduce((sum, { size }) => sum + size, 0)
  assert.ok(total <= 2 * MIB && total > 2 * MIB - 3 * 512, `${total}`)
})

test('the same spec gives the same digests, another seed others', async () => {
  await using temp = await TempDir.make()
  const build = (name: string, seed: number) => buildImage(join(temp.path, name), { sizeBytes: 2 * MIB, seed })
  const [first, again, other] = [await build('a', 7), await build('b', 7), await build('c', 8)]
  assert.equal(first.manifest.digest, again.manifest.digest)
  assert.notEqual(first.layers[0]?.digest, other.layers[0]?.digest)
})

for (const format of ['oci', 'docker'] as const) {
  for (const gzip of [false, true]) {
    test(`${format} image with ${gzip ? 'gzip' : 'plain tar'} layers: diff_ids are the digests of the unpacked archives`, async () => {
      await using temp = await TempDir.make()
      const image = await buildImage(temp.path, { sizeBytes: MIB, format, gzip })
      const config = await json(image.config.path)
      const archives = await Promise.all(image.layers.map(({ path }) => readFile(path)))
      const unpacked = archives.map((bytes) => (gzip ? gunzipSync(bytes) : bytes))
      assert.deepEqual(config.rootfs.diff_ids, unpacked.map(sha256))
      for (const { mediaType } of image.layers) assert.equal(mediaType.endsWith('gzip'), gzip)
    })
  }
}

test('tar unpacks a layer with its program, executable and whole', async () => {
  await using temp = await TempDir.make()
  const file = join(temp.path, 'program')
  await writeFile(file, 'x'.repeat(1000))
  const program = { file, name: 'tool', args: ['a', 'b'] }
  const image = await buildImage(join(temp.path, 'blobs'), { sizeBytes: MIB, layerCount: 1, program })
  await execute('tar', ['-xf', image.layers[0]?.path ?? '', '-C', temp.path])
  const unpacked = await stat(join(temp.path, 'bin/tool'))
  assert.deepEqual([unpacked.size, unpacked.mode & 0o777], [1000, 0o755])
  assert.ok((await stat(join(temp.path, 'data/layer-0.bin'))).size > 900_000)
  const { config } = await json(image.config.path)
  assert.deepEqual([config.Entrypoint, config.Cmd], [['/bin/tool'], ['a', 'b']])
})

test('layers cannot be compressed', async () => {
  await using temp = await TempDir.make()
  const { layers } = await buildImage(temp.path, { sizeBytes: MIB, layerCount: 1 })
  const { stdout } = await execute('gzip', ['-9', '-c', layers[0]?.path ?? ''], {
    encoding: 'buffer',
    maxBuffer: 4 * MIB,
  })
  assert.ok(stdout.length > MIB * 0.99)
})

test('an index lists the platform of each image', async () => {
  await using temp = await TempDir.make()
  const platforms = [
    { os: 'linux', architecture: 'amd64' },
    { os: 'linux', architecture: 'arm64', variant: 'v8' },
  ]
  const images = await Promise.all(platforms.map((platform) => buildImage(temp.path, { sizeBytes: 65_536, platform })))
  const index = await buildIndex(temp.path, images)
  const { manifests } = await json(index.manifest.path)
  assert.deepEqual(
    manifests.map(({ platform }: { platform: object }) => platform),
    platforms,
  )
})

test('building stops when aborted', async () => {
  await using temp = await TempDir.make()
  await assert.rejects(buildImage(temp.path, {}, AbortSignal.abort()), { name: 'AbortError' })
})
