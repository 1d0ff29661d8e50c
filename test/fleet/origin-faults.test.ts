import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PushedImage } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import { MirrorReader } from '../support/mirror-reader.ts'

const MIB = 1024 * 1024

function blobPath({ reference }: PushedImage, digest: string): string {
  const repository = reference.slice(reference.indexOf('/') + 1, reference.lastIndexOf(':'))
  return `${repository}/blobs/${digest}?ns=docker.io`
}

test('an origin that returns wrong bytes never completes a blob at a runtime, and nothing wrong is kept', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 2 }] })
  const pushed = await fleet.push({ sizeBytes: 12 * MIB, layerCount: 1 })
  const layer = pushed.image.layers[0]!
  const [agent, other] = fleet.agents
  // only the layer lies: its manifest and config are what the runtime asks for first
  const hex = layer.digest.slice('sha256:'.length)
  await fleet.origin.setFaults({ corrupt: [`${hex}/data`] })
  await assert.rejects(fleet.pull(agent!, pushed.reference, { attempts: 1 }))

  const reader = await MirrorReader.get(other!.mirrorUrl, blobPath(pushed, layer.digest))
  if (reader.status === 200) {
    const { cut } = await reader.readAll()
    assert.ok(cut && reader.received < layer.size, `a runtime was given all ${reader.received} wrong bytes`)
  } else {
    assert.equal(reader.status, 404)
    await reader.readAll()
  }
  for (const host of [...fleet.agents, ...fleet.caches]) {
    const blobs = (await host.api('blobs')) as { blobs?: { digest: string; state: string }[] }
    assert.ok(
      !(blobs.blobs ?? []).some(({ digest, state }) => digest === layer.digest && state === 'complete'),
      host.name,
    )
  }
})

test('an origin that dies after a tag was cached: the tag and everything cached are still served, also to new hosts', async () => {
  await using fleet = await Fleet.start({
    regions: [{ name: 'default', caches: 1, agents: 2 }],
    config: () => ({ tags: { ttl: '100ms', maxStale: '1h' } }),
  })
  const { reference, image } = await fleet.push({ sizeBytes: 4 * MIB, layerCount: 2 })
  const [first, second] = fleet.agents
  await fleet.pull(first!, reference)
  await fleet.origin.setFaults({ refuse: true })
  assert.equal((await fleet.pull(second!, reference)).digest, image.manifest.digest)
  const cache = await fleet.caches[0]!.metrics()
  assert.ok(cache.sum('shoal_tag_lookups_total', { result: 'stale' }) > 0)

  // nothing is left but this host itself
  await fleet.caches[0]!.kill('SIGKILL')
  await second!.kill('SIGKILL')
  assert.equal((await fleet.pull(first!, reference)).digest, image.manifest.digest)
})

test('an origin that is slow to answer, cuts bodies and then heals does not fail the pull', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 2 }] })
  const { reference, image } = await fleet.push({ sizeBytes: 24 * MIB, layerCount: 1 })
  await fleet.origin.setFaults({ cutAfterBytes: 3 * MIB, latencyMs: 50 })
  const results = await Promise.all(fleet.agents.map((agent) => fleet.pull(agent, reference)))
  assert.ok(results.every(({ digest }) => digest === image.manifest.digest))
  const { bytes } = await fleet.origin.counters()
  assert.ok(bytes < 1.5 * 24 * MIB, `what had arrived before a cut was fetched again: ${bytes} bytes`)
})

test('a blob that takes longer than runtimes wait for headers is announced, and comes', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 1 }] })
  const pushed = await fleet.push({ sizeBytes: 1 * MIB, layerCount: 1 })
  const [agent] = fleet.agents
  const manifest = await MirrorReader.get(agent!.mirrorUrl, 'library/app/manifests/1?ns=docker.io')
  assert.equal(manifest.status, 200)
  await manifest.readAll()
  // two requests one after the other, for the link and for the bytes: longer than the server would wait for an answer
  await fleet.origin.setFaults({ latencyMs: 4_500 })
  const { digest } = pushed.image.config
  const reader = await MirrorReader.get(agent!.mirrorUrl, blobPath(pushed, digest))
  assert.equal(reader.status, 200)
  assert.deepEqual(await reader.readAll(), { digest, cut: false })
})
