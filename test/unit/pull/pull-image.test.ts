import assert from 'node:assert/strict'
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { BuiltImage, BuiltIndex } from '../../../src/demo/index.ts'
import { buildImage } from '../../../src/demo/index.ts'
import type { BlobProgress, PullOptions } from '../../../src/pull/index.ts'
import { parsePullTarget, pullImage } from '../../../src/pull/index.ts'
import { buildIndex } from '../../support/build-index.ts'
import { FaultyMirror } from '../../support/faulty-mirror.ts'
import { TempDir } from '../../support/temp-dir.ts'

const { signal } = new AbortController()
const arm = { os: 'linux', architecture: 'arm64', variant: 'v8' }
const amd = { os: 'linux', architecture: 'amd64' }
let temp: TempDir
let image: BuiltImage
let index: BuiltIndex

before(async () => {
  temp = await TempDir.make()
  image = await buildImage(join(temp.path, 'blobs'), { sizeBytes: 3 * 1024 * 1024, layerCount: 4, platform: amd })
  const other = await buildImage(join(temp.path, 'blobs'), { sizeBytes: 64 * 1024, platform: arm, seed: 2 })
  index = await buildIndex(join(temp.path, 'blobs'), [image, other])
})
after(() => temp[Symbol.asyncDispose]())

function pull(mirror: FaultyMirror, reference: string, options: Partial<PullOptions> = {}) {
  const target = parsePullTarget(reference)
  return pullImage({ mirror: mirror.url, target, platform: amd, signal, ...options })
}

function start(): Promise<FaultyMirror> {
  return FaultyMirror.listen({ 'team/app:1': image, 'team/multi:1': index })
}

test('asks like a runtime: HEAD of the tag, manifest by digest, then config and layers, all with ns', async () => {
  await using mirror = await start()
  const result = await pull(mirror, 'registry.test/team/app:1')
  const [head, manifest, ...blobs] = mirror.requests
  assert.equal(`${head?.method} ${head?.url}`, 'HEAD /v2/team/app/manifests/1?ns=registry.test')
  assert.equal(
    `${manifest?.method} ${manifest?.url}`,
    `GET /v2/team/app/manifests/${image.manifest.digest}?ns=registry.test`,
  )
  const expected = [image.config, ...image.layers].map(({ digest }) => `/v2/team/app/blobs/${digest}?ns=registry.test`)
  const gets = blobs.filter(({ method }) => method === 'GET')
  assert.deepEqual(gets.map(({ url }) => url).sort(), expected.sort())
  assert.equal(result.digest, image.manifest.digest)
  assert.equal(result.bytes, image.sizeBytes)
  assert.deepEqual(
    result.blobs.map(({ source }) => source),
    Array(5).fill('peer'),
  )
})

test('says where bytes came from as the mirror knows it once they are there, not as it guessed before', async () => {
  await using mirror = await start()
  mirror.faults = { received: 'peer=1, home=3, parent=0, origin=0; age=0.000' }
  const { blobs } = await pull(mirror, 'team/app:1')
  for (const { from, bytes, source } of blobs) {
    assert.deepEqual(from, { peer: 1, home: 3, local: bytes - 4 })
    assert.equal(source, 'local')
  }
})

test('what the mirror received before the pull began is not what the pull brought', async () => {
  await using mirror = await start()
  mirror.faults = { received: 'peer=0, home=100000000, parent=0, origin=0; age=60.000' }
  const { blobs } = await pull(mirror, 'team/app:1')
  assert.deepEqual([...new Set(blobs.map(({ source }) => source))], ['peer'])
})

test('leaves ns out when the reference names no registry', async () => {
  await using mirror = await start()
  const { reference } = await pull(mirror, 'team/app:1')
  assert.equal(reference, 'team/app:1')
  assert.ok(mirror.requests.every(({ url }) => !url.includes('ns=')))
})

test('never has more than three blobs under way', async () => {
  await using mirror = await start()
  const open = new Set<string>()
  let most = 0
  const onProgress = ({ state, digest }: BlobProgress): void => {
    if (state === 'started') open.add(digest)
    most = Math.max(most, open.size)
    if (state === 'done') open.delete(digest)
  }
  await pull(mirror, 'team/app:1', { onProgress })
  assert.equal(most, 3)
})

test('works with a mirror that answers no HEAD and names no digest', async () => {
  await using mirror = await start()
  mirror.faults = { withoutHead: true }
  assert.equal((await pull(mirror, 'team/app:1')).digest, image.manifest.digest)
})

test('takes the image of the asked platform from an index and keeps the digest of the index', async () => {
  await using mirror = await start()
  const result = await pull(mirror, 'team/multi:1', { platform: arm })
  assert.equal(result.digest, index.manifest.digest)
  assert.equal(result.manifest, index.images[1]?.manifest.digest)
})

test('says which platforms there are when the asked one is missing', async () => {
  await using mirror = await start()
  const platform = { os: 'linux', architecture: 's390x' }
  await assert.rejects(
    pull(mirror, 'team/multi:1', { platform }),
    /no linux\/s390x; it has: linux\/amd64, linux\/arm64\/v8/,
  )
})

test('continues a cut body where it ended, as often as five times', async () => {
  await using mirror = await start()
  await using output = await TempDir.make()
  const [layer] = image.layers
  mirror.faults = { cutAfterBytes: [100_000, 1, 200_000] }
  await pull(mirror, 'team/app:1', { output: output.path })
  const ranges = mirror.requests.flatMap(({ range }) => range ?? [])
  assert.equal(ranges.length, 3)
  for (const range of ranges) assert.match(range, /^bytes=[1-9]\d*-$/)
  const written = await readFile(join(output.path, 'blobs/sha256', layer?.digest.slice(7) ?? ''))
  assert.ok(written.equals(await readFile(layer?.path ?? '')))
})

test('skips what it has when the mirror starts over instead of resuming', async () => {
  await using mirror = await start()
  mirror.faults = { cutAfterBytes: [100_000], ignoresRanges: true }
  assert.equal((await pull(mirror, 'team/app:1')).bytes, image.sizeBytes)
  assert.equal(mirror.requests.filter(({ range }) => range === 'bytes=100000-').length, 1)
})

test('tries again after a 503', async () => {
  await using mirror = await start()
  mirror.faults = { blobStatuses: [503] }
  assert.equal((await pull(mirror, 'team/app:1')).bytes, image.sizeBytes)
})

test('gives up on a blob after the fifth resume', async () => {
  await using mirror = await start()
  mirror.faults = { cutAfterBytes: Array(24).fill(50_000) }
  await assert.rejects(pull(mirror, 'team/app:1'), { code: 'UNAVAILABLE', message: /stopped after 300000 of/ })
})

test('asks only once when told so', async () => {
  await using mirror = await start()
  mirror.faults = { cutAfterBytes: [100_000] }
  await assert.rejects(pull(mirror, 'team/app:1', { attempts: 1 }), { message: /stopped after 100000 of/ })
  assert.deepEqual(
    mirror.requests.flatMap(({ range }) => range ?? []),
    [],
  )
})

test('fails on wrong content and leaves no trace of it in the output', async () => {
  await using mirror = await start()
  await using output = await TempDir.make()
  mirror.faults = { corrupt: true }
  await assert.rejects(pull(mirror, 'team/app:1', { output: output.path }), { code: 'CONTENT_CORRUPT' })
  assert.deepEqual(await readdir(join(output.path, 'blobs/sha256')), [])
})

test('says what is missing and where on a 404', async () => {
  await using mirror = await start()
  await assert.rejects(pull(mirror, 'registry.test/team/none:7'), {
    code: 'UNAVAILABLE',
    message: /registry.test\/team\/none:7 \(404\)/,
  })
})

test('stops at once when aborted', async () => {
  await using mirror = await start()
  const controller = new AbortController()
  const onProgress = (): void => controller.abort(new Error('enough'))
  await assert.rejects(pull(mirror, 'team/app:1', { onProgress, signal: controller.signal }), /enough/)
})

test('writes an image layout whose good blobs are not fetched again, whose damaged ones are', async () => {
  await using mirror = await start()
  await using output = await TempDir.make()
  await pull(mirror, 'team/app:1', { output: output.path })
  const indexJson = JSON.parse(await readFile(join(output.path, 'index.json'), 'utf8'))
  assert.equal(indexJson.manifests[0].digest, image.manifest.digest)
  assert.equal(indexJson.manifests[0].annotations['org.opencontainers.image.ref.name'], '1')
  const [first, second] = image.layers.map(({ digest }) => join(output.path, 'blobs/sha256', digest.slice(7)))
  await truncate(first ?? '', 10)
  const bytes = await readFile(second ?? '')
  bytes[1000] = (bytes[1000] ?? 0) ^ 1
  await writeFile(second ?? '', bytes)
  mirror.requests.length = 0
  const again = await pull(mirror, 'team/app:1', { output: output.path })
  assert.deepEqual(
    again.blobs.map(({ source }) => source),
    ['output', 'peer', 'peer', 'output', 'output'],
  )
  assert.equal(mirror.requests.filter(({ method, url }) => method === 'GET' && url.includes('/blobs/')).length, 2)
})

test('refuses a mirror that is no URL', async () => {
  const target = parsePullTarget('team/app:1')
  await assert.rejects(pullImage({ mirror: '127.0.0.1:7070', target, signal }), { code: 'CONFIG_INVALID' })
})
