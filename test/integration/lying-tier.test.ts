import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { BlobFile, BuiltImage } from '../../src/demo/index.ts'
import { eventually } from '../support/eventually.ts'
import { FakeRegistry } from '../support/fake-registry.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { assertOneCopy } from '../support/one-copy.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024

interface Lie {
  readonly fleet: NodeFleet
  readonly image: BuiltImage
  readonly layer: BlobFile
  /** Gives the layer with one byte changed. */
  readonly liar: FakeRegistry
}

async function lie(t: TestContext): Promise<Lie> {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 1 })
  const layer = image.layers[0]!
  const wrong = await readFile(layer.path)
  wrong.writeUInt8(wrong.readUInt8(MIB) ^ 0xff, MIB)
  const path = join(fleet.directory, 'wrong')
  await writeFile(path, wrong)
  const liar = await FakeRegistry.start(t, { ...image, layers: [{ ...layer, path }] })
  return { fleet, image, layer, liar }
}

/** What a runtime does whose body is cut: it asks again. */
async function isWhole(agent: TestNode, { digest }: BlobFile): Promise<boolean> {
  return (await agent.blobDigest(UP, 'team/app', digest).catch(() => 'cut')) === digest
}

test('a cache that reads wrong bytes and vouches for them: after two tries hosts read the origin themselves', async (t) => {
  const { fleet, image, layer, liar } = await lie(t)
  const cache = await fleet.start({ role: 'cache', upstreams: [liar.upstream(UP)] })
  const honest = directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))
  const agent = await fleet.start({ upstreams: [honest], caches: [cache] })
  assert.equal((await agent.manifest(UP, 'team/app', 'v1')).status, 200)
  await eventually('the layer is there', () => isWhole(agent, layer))
  assertOneCopy(await agent.received('origin'), layer.size)
  const rejected = (await agent.metrics()).sum('shoal_pieces_rejected_total', { reason: 'failed_digest' })
  assert.ok(rejected <= 2, `${rejected} wholes that failed here`)
})

test('a registry that gives wrong bytes is read once by each host whose cache has found them wrong twice', async (t) => {
  const { fleet, layer, liar } = await lie(t)
  const { agents } = await fleet.region({ upstreams: [liar.upstream(UP)] }, 3)
  await Promise.all(agents.map((agent) => agent.manifest(UP, 'team/app', 'v1')))
  const got = await Promise.all(
    agents.map((agent) => agent.blobDigest(UP, 'team/app', layer.digest).catch(() => 'cut')),
  )
  assert.ok(!got.includes(layer.digest), 'it was wrong')
  const read = await Promise.all(agents.map((agent) => agent.received('origin')))
  assert.ok(Math.max(...read) < 2 * layer.size, `${read}`)
})
