import assert from 'node:assert/strict'
import { test } from 'node:test'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'

const UP = 'registry.test'
const ELSEWHERE = 'other.test'
const SMALL = { sizeBytes: 8192, layerCount: 1 }

test('content is shared between hosts and repositories, the right to read it is not', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image(SMALL)
  const another = await fleet.image({ ...SMALL, seed: 2 })
  const root = await fleet.push('origin', 'team/app', 'v1', image)
  await fleet.push('origin', 'team/other', 'v1', another)
  const upstreams = [
    directoryUpstream(UP, root),
    directoryUpstream(ELSEWHERE, await fleet.push('elsewhere', 'team/app', 'v1', another)),
  ]
  const { cache, agents } = await fleet.region({ upstreams }, 2)
  const [one, two] = [agents[0]!, agents[1]!]
  await one.pull(UP, 'team/app', 'v1', image)
  const { digest } = image.layers[0]!
  for (const node of [one, two, cache]) {
    assert.equal(await node.blobDigest(UP, 'team/other', digest), 404)
    assert.equal(await node.blobDigest(ELSEWHERE, 'team/app', digest), 404)
    assert.equal((await node.manifest(UP, 'team/other', image.manifest.digest)).status, 404)
    assert.equal((await node.manifest(ELSEWHERE, 'team/app', image.manifest.digest)).status, 404)
    assert.equal(await node.blobDigest(UP, 'team/app', digest), digest)
  }
})

test('a manifest is no blob and a blob no manifest, before and after they are cached', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image(SMALL)
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const { agents } = await fleet.region({ upstreams }, 1)
  const agent = agents[0]!
  for (const look of ['before', 'after']) {
    assert.equal(await agent.blobDigest(UP, 'team/app', image.manifest.digest), 404, look)
    for (const { digest } of [image.config, ...image.layers]) {
      assert.equal((await agent.manifest(UP, 'team/app', digest)).status, 404, look)
    }
    await agent.pull(UP, 'team/app', 'v1', image)
  }
})

test('an upstream that is not configured is nowhere, and never asked', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image(SMALL)
  const node = await fleet.start({ upstreams: [directoryUpstream(UP, await fleet.push('origin', 'app', 'v1', image))] })
  assert.equal((await node.manifest('unknown.test', 'app', 'v1')).status, 404)
  assert.equal(await node.originRequests(), 0)
})
