import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { BuiltImage } from '../../src/demo/index.ts'
import { buildImage, FreePorts } from '../../src/demo/index.ts'
import { buildIndex } from '../support/build-index.ts'
import { eventually } from '../support/eventually.ts'
import { FaultyMirror } from '../support/faulty-mirror.ts'
import { TempDir } from '../support/temp-dir.ts'

const PROGRAM = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const amd = { os: 'linux', architecture: 'amd64' }
const arm = { os: 'linux', architecture: 'arm64' }
let temp: TempDir
let image: BuiltImage
let mirror: FaultyMirror

before(async () => {
  temp = await TempDir.make()
  const build = (platform: typeof amd, seed: number) =>
    buildImage(join(temp.path, 'blobs'), { sizeBytes: 2 * 1024 * 1024, layerCount: 3, platform, seed })
  image = await build(amd, 1)
  const index = await buildIndex(join(temp.path, 'blobs'), [image, await build(arm, 2)])
  mirror = await FaultyMirror.listen({ 'team/app:1': image, 'team/multi:1': index })
})
after(async () => {
  await mirror[Symbol.asyncDispose]()
  await temp[Symbol.asyncDispose]()
})

function start(args: readonly string[]) {
  return spawn(process.execPath, [PROGRAM, 'pull', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
}

async function shoalPull(...args: readonly string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const child = start(args)
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code, stdout, stderr }
}

test('prints reference, digest and rate, and one line per blob beside them', async () => {
  const { code, stdout, stderr } = await shoalPull('registry.test/team/app:1', '--mirror', mirror.url)
  assert.equal(code, 0, stderr)
  assert.match(
    stdout,
    new RegExp(`^registry.test/team/app:1\n${image.manifest.digest}\n2 MiB in .* MiB/s \\(from peer\\)\n$`),
  )
  assert.equal(stderr.trim().split('\n').length, 4)
})

test('--json prints one object with every blob and where it came from, and nothing else', async () => {
  const { code, stdout, stderr } = await shoalPull('registry.test/team/app:1', '--mirror', mirror.url, '--json')
  assert.deepEqual([code, stderr], [0, ''])
  const result = JSON.parse(stdout)
  assert.equal(result.reference, 'registry.test/team/app:1')
  assert.equal(result.digest, image.manifest.digest)
  assert.equal(result.bytes, image.sizeBytes)
  assert.ok(result.seconds > 0 && result.mibPerSecond > 0)
  const expected = [image.config, ...image.layers].map(({ digest, size }) => ({ digest, bytes: size, source: 'peer' }))
  assert.deepEqual(
    result.blobs.map(({ digest, bytes, source }: (typeof expected)[0]) => ({ digest, bytes, source })),
    expected,
  )
})

test('--output writes an image layout, --platform chooses from an index', async () => {
  const output = join(temp.path, 'layout')
  const args = ['--mirror', mirror.url, '--output', output, '--platform', 'linux/arm64', '--json']
  const { code, stdout } = await shoalPull('team/multi:1', ...args)
  assert.equal(code, 0)
  const { manifests } = JSON.parse(await readFile(join(output, 'index.json'), 'utf8'))
  assert.equal(manifests[0].digest, JSON.parse(stdout).manifest)
  assert.deepEqual(JSON.parse(await readFile(join(output, 'oci-layout'), 'utf8')), { imageLayoutVersion: '1.0.0' })
  const config = await readFile(join(output, 'blobs/sha256', JSON.parse(stdout).blobs[0].digest.slice(7)), 'utf8')
  assert.equal(JSON.parse(config).architecture, 'arm64')
})

test('a pull that fails exits with 1 and one line that names what is missing', async () => {
  const { code, stdout, stderr } = await shoalPull('registry.test/team/none:1', '--mirror', mirror.url, '--json')
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /^shoal: .*registry\.test\/team\/none:1.*\n$/)
})

test('a mirror that is not there exits with 1 and asks whether the agent runs', async () => {
  const url = `http://127.0.0.1:${await new FreePorts().take()}`
  const { code, stderr } = await shoalPull('team/app:1', '--mirror', url)
  assert.equal(code, 1)
  assert.match(stderr, /^shoal: .*127\.0\.0\.1.*ECONNREFUSED.*is the agent running\?\n$/)
})

for (const [what, args] of [
  ['reference', ['Team/App:1']],
  ['platform', ['team/app:1', '--platform', 'linux']],
  ['mirror', ['team/app:1', '--mirror', 'not a url']],
  ['option', ['team/app:1', '--nonsense']],
  ['missing reference', []],
] as const) {
  test(`wrong usage (${what}) exits with 2`, async () => {
    const { code, stderr } = await shoalPull(...args)
    assert.equal(code, 2, stderr)
    assert.match(stderr, /^shoal: .+\n$/)
  })
}

test('Ctrl-C ends it with 1 and leaves no unfinished file', async () => {
  const output = join(temp.path, 'interrupted')
  await using slow = await FaultyMirror.listen({ 'team/app:1': image })
  slow.faults = { blobStatuses: Array(100).fill(503) }
  const child = start(['team/app:1', '--mirror', slow.url, '--output', output])
  await eventually('a blob is asked for', () => slow.requests.some(({ url }) => url.includes('/blobs/')))
  child.kill('SIGINT')
  const [[code], stderr] = await Promise.all([once(child, 'close'), text(child.stderr)])
  assert.equal(code, 1)
  assert.match(stderr, /interrupted/)
  assert.deepEqual(await readdir(join(output, 'blobs/sha256')), [])
})
