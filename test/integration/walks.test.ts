import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { BlobFile } from '../../src/demo/index.ts'
import type { PrewarmView } from '../../src/prewarm/index.ts'
import { prewarmEnded } from '../support/ask-prewarm.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'
import { CONTENT, PREWARM, Walk } from '../support/walk.ts'

const UP = 'registry.corp'

/** An agent whose cache has nothing yet, and an image at the origin. */
async function region(t: TestContext): Promise<{ agent: TestNode; cache: TestNode; layer: BlobFile }> {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 6 * 1024 * 1024, layerCount: 1 })
  const upstream = directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))
  const { agents, cache } = await fleet.region({ upstreams: [upstream] }, 1)
  return { agent: agents[0]!, cache, layer: image.layers[0]! }
}

/** What the documentation says of a way. */
async function documented(way: string): Promise<string> {
  const text = await readFile(join(import.meta.dirname, '../../docs/architecture.md'), 'utf8')
  const section = text.split(`## The way of a ${way}`)[1]?.split('\n## ')[0]
  assert.ok(section !== undefined, `the way of a ${way} is not documented`)
  return section
}

function undocumented(walk: Walk, section: string): string[] {
  return walk.files.filter((path) => !new RegExp(`\\b${basename(path, '.ts')}\\b`).test(section))
}

test('a tag that nobody knows passes at most 9 files from its route to its origin', async (t) => {
  const { agent } = await region(t)
  using walk = new Walk(CONTENT)
  assert.equal((await agent.manifest(UP, 'team/app', 'v1')).status, 200)
  assert.ok(walk.files.includes('blob/manifests.ts') && walk.files.includes('origin/origin-chain.ts'))
  assert.ok(walk.files.length <= 9, `${walk.files.length} files: ${walk.files.join(' ')}`)
  assert.deepEqual(undocumented(walk, await documented('tag')), [])
})

test('a blob that nobody has passes at most 15 files from its route to its origin', async (t) => {
  const { agent, layer } = await region(t)
  await agent.manifest(UP, 'team/app', 'v1')
  using walk = new Walk(CONTENT)
  assert.equal(await agent.blobDigest(UP, 'team/app', layer.digest), layer.digest)
  assert.ok(walk.files.includes('transfer/opening.ts') && walk.files.includes('origin/origin-chain.ts'))
  assert.ok(walk.files.length <= 15, `${walk.files.length} files: ${walk.files.join(' ')}`)
  assert.deepEqual(undocumented(walk, await documented('blob')), [])
})

test('a prewarm passes at most 18 files from the command to the blobs of a host, and back to its leader', async (t) => {
  const { agent, cache } = await region(t)
  using walk = new Walk(PREWARM)
  const token = ['--token-file', join(cache.storeDir, 'admin.token')]
  const said = await runCommand([
    'prewarm',
    `${UP}/team/app:v1`,
    '--pin',
    '1h',
    '--json',
    '--admin',
    cache.adminUrl,
    ...token,
  ])
  assert.equal(said.code, 0, said.stderr)
  const { id } = JSON.parse(said.stdout) as PrewarmView // what the command says
  assert.equal((await prewarmEnded(agent, id)).state, 'done')
  for (const passed of ['cli/prewarm.ts', 'prewarm/job-controller.ts', 'prewarm/worker.ts', 'pins/pins.ts'])
    assert.ok(walk.files.includes(passed), `${passed} is not among ${walk.files.join(' ')}`)
  assert.ok(walk.files.length <= 18, `${walk.files.length} files: ${walk.files.join(' ')}`)
  assert.deepEqual(undocumented(walk, await documented('prewarm')), [])
})
