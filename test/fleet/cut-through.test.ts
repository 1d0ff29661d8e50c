import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fleet } from '../../src/demo/index.ts'
import { eventually } from '../support/eventually.ts'
import { MirrorReader } from '../support/mirror-reader.ts'

const MIB = 1024 * 1024

test('agents and their runtimes have bytes long before the home has the whole blob', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 3 }] })
  const { reference, image } = await fleet.push({ sizeBytes: 48 * MIB, layerCount: 1 })
  const layer = image.layers[0]!
  const manifestOnly = reference.replace('docker.io/', '').replace(':1', '')
  await fleet.origin.setFaults({ bytesPerSec: 8 * MIB })

  // the manifest passes first, as with every runtime: it is what tells the layer's size
  const manifest = await MirrorReader.get(fleet.agents[0]!.mirrorUrl, `${manifestOnly}/manifests/1?ns=docker.io`)
  await manifest.readAll()
  const readers = await Promise.all(
    fleet.agents.map((agent) =>
      MirrorReader.get(agent.mirrorUrl, `${manifestOnly}/blobs/${layer.digest}?ns=docker.io`),
    ),
  )
  assert.deepEqual(
    readers.map(({ status }) => status),
    [200, 200, 200],
  )
  await Promise.all(readers.map((reader) => reader.readAtLeast(1 * MIB)))

  // what the home has at this moment is what the origin had sent by then, at most
  const sent = (await fleet.origin.counters()).byKind.blob.bytes
  const progress = readers.map(({ received }) => received)
  assert.ok(
    sent < 0.7 * layer.size,
    `runtimes had only ${progress} bytes when the origin had sent ${sent} of ${layer.size}`,
  )
  for (const agent of fleet.agents) {
    const { peer, home } = await fleet.received([agent])
    assert.ok(peer + home > 0, `${agent.name} has received nothing`)
  }

  await fleet.origin.setFaults({})
  for (const reader of readers) assert.deepEqual(await reader.readAll(), { digest: layer.digest, cut: false })
  await eventually('the home has the whole blob', async () => {
    const blobs = (await fleet.caches[0]!.api('blobs')) as { digest: string; state: string }[]
    return JSON.stringify(blobs).includes(layer.digest)
  })
})
