import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { LEAST_OPEN_FILES } from '../../src/base/open-files.ts'
import type { BuiltImage } from '../../src/demo/index.ts'
import { buildImage, writeToBucketTree } from '../../src/demo/index.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { AgentProcess } from '../support/agent-process.ts'
import { answered } from '../support/answered.ts'
import { FakeRegistry } from '../support/fake-registry.ts'
import { tempDir } from '../support/temp-dir.ts'

const KIB = 1024
/** More at once than the process may have files open. */
const LAYERS = 80

function limited(files: number): string[] {
  return ['prlimit', `--nofile=${files}:${files}`]
}

/** Where an image comes from, as a configuration. */
const ORIGINS: Record<string, (t: TestContext, directory: string, image: BuiltImage) => Promise<unknown>> = {
  'a directory': async (_t, directory, image) => {
    const path = join(directory, 'images')
    await writeToBucketTree(path, { repository: 'team/app', tag: 'v1' }, image)
    return { name: 'local', origins: [{ kind: 'directory', path }] }
  },
  'a registry': async (t, _directory, image) => (await FakeRegistry.start(t, image)).upstream('local'),
}

for (const [kind, upstreamOf] of Object.entries(ORIGINS)) {
  test(`with as few open files as may be, a burst from ${kind} is slower and loses nothing, and health is answered`, async (t) => {
    const directory = await tempDir(t)
    const image = await buildImage(join(directory, 'built'), { layerSizes: Array(LAYERS).fill(300 * KIB) })
    const config = join(directory, 'agent.json')
    const upstreams = [await upstreamOf(t, directory, image)]
    await writeFile(config, JSON.stringify({ upstreams, store: { path: join(directory, 'store') } }))
    await using agent = new AgentProcess(directory, { config, prefix: limited(LEAST_OPEN_FILES) })
    const { mirror, admin } = await agent.ready
    const descriptors = async (): Promise<number> => (await readdir(`/proc/${agent.child.pid}/fd`)).length
    assert.ok((await descriptors()) <= 34, `${await descriptors()} at rest: open-files.ts counts on 32`)
    for (const round of ['from the origin', 'from the store']) {
      const pulls = [image.manifest, image.config, ...image.layers].map(async ({ digest }, i) => {
        const path = `team/app/${i === 0 ? 'manifests/v1' : `blobs/${digest}`}?ns=local`
        const { status, bytes } = await answered(() => fetch(`http://${mirror}/v2/${path}`))
        return status === 200 && digestOf(bytes) === digest
      })
      const health = Array.from({ length: 5 }, async () => (await fetch(`http://${admin}/healthz`)).status)
      assert.deepEqual(
        new Set(await Promise.all(pulls)),
        new Set([true]),
        `${round}\n${agent.log.slice(-5).join('\n')}`,
      )
      assert.deepEqual(new Set(await Promise.all(health)), new Set([200]))
    }
    assert.equal(agent.entries('few files may be open').length, 1)
    assert.deepEqual(
      agent.log.filter((line) => /"level":"(warn|error)"/.test(line) && !line.includes('few files may be open')),
      [],
    )
    const status = (await (await fetch(`http://${admin}/api/v1/status`)).json()) as { openFiles: unknown }
    assert.deepEqual(status.openFiles, { limit: LEAST_OPEN_FILES, few: true })
  })
}

test('with fewer open files than that, the start is refused with the number it needs', async (t) => {
  await using agent = new AgentProcess(await tempDir(t), { prefix: limited(LEAST_OPEN_FILES - 1) })
  assert.deepEqual(await agent.ended, { code: 2, signal: null })
  assert.match(agent.log.join('\n'), /may have 63 files open, and needs 64 at least/)
})

test('blobs that are assembled, committed and read at once need few descriptors, and none is taken for damaged', async (t) => {
  const [command = '', ...prefix] = limited(LEAST_OPEN_FILES)
  const child = join(import.meta.dirname, 'few-files-child.ts')
  const args = [...prefix, process.execPath, child, join(await tempDir(t), 'store')]
  const { stdout } = await promisify(execFile)(command, args)
  assert.match(stdout, /^60 blobs through 4 descriptors/)
})
