import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { FakeRegistry } from '../support/fake-registry.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { assertOneCopy } from '../support/one-copy.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024

test('a cache that reads wrong bytes and vouches for them: after two tries hosts read the origin themselves', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 1 })
  const layer = image.layers[0]!
  const wrong = await readFile(layer.path)
  wrong.writeUInt8(wrong.readUInt8(MIB) ^ 0xff, MIB)
  const path = join(fleet.directory, 'wrong')
  await writeFile(path, wrong)
  const liar = await FakeRegistry.start(t, { ...image, layers: [{ ...layer, path }] })
  const cache = await fleet.start({ role: 'cache', upstreams: [liar.upstream(UP)] })
  const honest = directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))
  const agent = await fleet.start({ upstreams: [honest], caches: [cache] })
  assert.equal((await agent.manifest(UP, 'team/app', 'v1')).status, 200)
  // what a runtime does whose body is cut: it asks again
  const whole = async (): Promise<boolean> => {
    const got = await agent.blobDigest(UP, 'team/app', layer.digest).catch(() => 'cut')
    return got === layer.digest
  }
  await eventually('the layer is there', whole)
  assertOneCopy(await agent.received('origin'), layer.size)
  const rejected = (await agent.metrics()).sum('shoal_pieces_rejected_total', { reason: 'failed_digest' })
  assert.ok(rejected <= 2, `${rejected} wholes that failed here`)
})
