import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import type { BlobFile, BuiltImage } from '../../src/demo/index.ts'
import { MirrorReader } from '../support/mirror-reader.ts'
import type { HostSpec, TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { assertOneCopy } from '../support/one-copy.ts'
import { parallelFetch } from '../support/parallel-fetch.ts'

const UP = 'registry.corp'
const KIB = 1024
const MIB = 1024 * KIB
/** Neither the disk nor the memory that stands in for it has room for the layer. */
const SIZE = 80 * MIB
const NO_ROOM = { store: { capacityBytes: 512 * KIB } }

interface Setup {
  readonly fleet: NodeFleet
  readonly image: BuiltImage
  readonly layer: BlobFile
  readonly root: string
  readonly spec: HostSpec
}

async function setup(t: TestContext): Promise<Setup> {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: SIZE, layerCount: 1 })
  const root = await fleet.push('origin', 'team/app', 'v1', image)
  return { fleet, image, layer: image.layers[0]!, root, spec: { upstreams: [directoryUpstream(UP, root)], ...NO_ROOM } }
}

function urlOf(node: TestNode, { digest }: BlobFile): string {
  return `http://${node.node.addresses.mirror}/v2/team/app/blobs/${digest}?ns=${UP}`
}

function fetchOf(node: TestNode, layer: BlobFile): { url: string; path: string; size: number } {
  return { url: urlOf(node, layer), path: layer.path, size: layer.size }
}

describe('a layer that fits neither disk nor memory', () => {
  test('costs one copy when it is read in parallel open-ended ranges', async (t) => {
    const { fleet, layer, spec } = await setup(t)
    const node = await fleet.start(spec)
    await parallelFetch({ ...fetchOf(node, layer), workers: 16, chunkBytes: MIB })
    assertOneCopy(await node.received('origin'), layer.size)
  })

  test('costs one copy when most of each chunk is left unread', async (t) => {
    const { fleet, layer, spec } = await setup(t)
    const node = await fleet.start(spec)
    await parallelFetch({ ...fetchOf(node, layer), workers: 16, chunkBytes: MIB, readBytes: 64 * KIB })
    assert.ok((await node.received('origin')) <= layer.size)
  })

  test('is read to its end by others while one client has stopped reading, and by that one afterwards', async (t) => {
    const { fleet, layer, spec } = await setup(t)
    const node = await fleet.start(spec)
    const stopped = await MirrorReader.get(
      `http://${node.node.addresses.mirror}`,
      `team/app/blobs/${layer.digest}?ns=${UP}`,
    )
    await stopped.readAtLeast(1)
    assert.equal(await node.blobDigest(UP, 'team/app', layer.digest), layer.digest)
    await parallelFetch({ ...fetchOf(node, layer), workers: 4, chunkBytes: 4 * MIB })
    assert.deepEqual(await stopped.readAll(), { digest: layer.digest, cut: false })
    // once for those that were together, once for each that was far from them
    assert.ok((await node.received('origin')) <= 3 * layer.size)
  })

  test('costs one copy in a region whose cache has no room either', async (t) => {
    const { fleet, layer, spec } = await setup(t)
    const cache = await fleet.start({ ...spec, role: 'cache' })
    const agents = await Promise.all([1, 2].map(() => fleet.start({ ...spec, caches: [cache] })))
    await Promise.all(
      agents.map((agent) => parallelFetch({ ...fetchOf(agent, layer), workers: 8, chunkBytes: 2 * MIB })),
    )
    assertOneCopy(await cache.received('origin'), layer.size)
    for (const agent of agents) assert.equal(await agent.originRequests(), 0)
  })

  test('is 404 at once when the origin has only its link', async (t) => {
    const { fleet, layer, root, spec } = await setup(t)
    const hex = layer.digest.slice('sha256:'.length)
    const node = await fleet.start(spec)
    await node.manifest(UP, 'team/app', 'v1')
    await rm(join(root, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'))
    for (const range of [undefined, 'bytes=0-', 'bytes=-51']) {
      const answer = await node.get(UP, `team/app/blobs/${layer.digest}`, range === undefined ? {} : { range })
      await answer.arrayBuffer()
      assert.equal(answer.status, 404, `${range}`)
    }
  })
})
