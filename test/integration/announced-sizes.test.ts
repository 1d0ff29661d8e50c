import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BuiltImage } from '../../src/demo/index.ts'
import { writeJson } from '../../src/demo/index.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024
const CAPACITY = 8 * MIB

/** The same image, whose manifest says another size of its layer. */
async function lyingImage(fleet: NodeFleet, image: BuiltImage, size: number): Promise<BuiltImage> {
  const [layer] = image.layers
  const manifest = await writeJson(join(fleet.directory, 'built'), image.manifest.mediaType, {
    schemaVersion: 2,
    mediaType: image.manifest.mediaType,
    config: { mediaType: image.config.mediaType, digest: image.config.digest, size: image.config.size },
    layers: [{ mediaType: layer!.mediaType, digest: layer!.digest, size }],
  })
  return { ...image, manifest }
}

async function evicted(node: TestNode): Promise<number> {
  return (await node.metrics()).sum('shoal_store_evicted_bytes_total')
}

/** What a client gets of the layer: its whole content, or how that failed. */
async function pulled(node: TestNode, repository: string, image: BuiltImage): Promise<string | number> {
  assert.equal((await node.manifest(UP, repository, 'v1')).status, 200)
  return node.blobDigest(UP, repository, image.layers[0]!.digest).catch(() => 'cut off')
}

test('a manifest that says another size of a layer: a clean failure, and nothing that is stored leaves', async (t) => {
  const fleet = await NodeFleet.create(t)
  const good = await fleet.image({ sizeBytes: 5 * MIB, layerCount: 2, seed: 1 })
  const origin = await fleet.push('origin', 'team/app', 'v1', good)
  const spec = { upstreams: [directoryUpstream(UP, origin)], store: { capacityBytes: CAPACITY } }
  const { cache, agents } = await fleet.region(spec, 1)
  const agent = agents[0]!
  await agent.pull(UP, 'team/app', 'v1', good)
  for (const [name, realBytes, announcedBytes] of [
    ['a kilobyte called 7 MiB', 4096, 7 * MIB],
    ['2 MiB called 7 MiB', 2 * MIB, 7 * MIB],
    ['2 MiB called a kilobyte', 2 * MIB, 1024],
  ] as const) {
    await t.test(name, async () => {
      const repository = `evil/${realBytes}-${announcedBytes}`
      const real = await fleet.image({ sizeBytes: realBytes, layerCount: 1, seed: realBytes + announcedBytes })
      const lying = await lyingImage(fleet, real, announcedBytes)
      await fleet.push('origin', repository, 'v1', lying)
      assert.ok([404, 'cut off'].includes(await pulled(agent, repository, lying)))
      for (const node of [agent, cache]) {
        const stored = await node.storedDigests()
        for (const { digest } of good.layers) assert.ok(stored.includes(digest))
        assert.equal(await evicted(node), 0)
      }
    })
  }
  await agent.pull(UP, 'team/app', 'v1', good)
})

test('a layer of more bytes than can be moved: its manifest is refused, with the reason', async (t) => {
  const fleet = await NodeFleet.create(t)
  const real = await fleet.image({ sizeBytes: 4096, layerCount: 1 })
  const origin = await fleet.push('origin', 'evil/app', 'v1', await lyingImage(fleet, real, 2 ** 50))
  const node = await fleet.start({ upstreams: [directoryUpstream(UP, origin)] })
  const response = await node.get(UP, 'evil/app/manifests/v1')
  assert.equal(response.status, 404)
  assert.match(await response.text(), /layers\.0\.size is wrong: more bytes than a blob may have/)
})

test('two pulls that fit one by one but not together both end right, whichever runs out of room on the way', async (t) => {
  const fleet = await NodeFleet.create(t)
  const images = [
    await fleet.image({ sizeBytes: 6 * MIB, layerCount: 1, seed: 1 }),
    await fleet.image({ sizeBytes: 6 * MIB, layerCount: 1, seed: 2 }),
  ]
  const origin = await fleet.push('origin', 'team/one', 'v1', images[0]!)
  await fleet.push('origin', 'team/two', 'v1', images[1]!)
  const node = await fleet.start({
    upstreams: [directoryUpstream(UP, origin)],
    store: { capacityBytes: CAPACITY },
    limits: { origin: 4 * MIB },
  })
  await Promise.all([node.pull(UP, 'team/one', 'v1', images[0]!), node.pull(UP, 'team/two', 'v1', images[1]!)])
})
