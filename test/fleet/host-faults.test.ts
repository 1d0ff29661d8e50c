import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fleet } from '../../src/demo/index.ts'
import { eventually } from '../support/eventually.ts'
import { MirrorReader } from '../support/mirror-reader.ts'

const MIB = 1024 * 1024

test('an agent killed -9 in the middle of a pull goes on where it was: verified pieces are not fetched again', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 1 }] })
  const size = 48 * MIB
  const { reference, image } = await fleet.push({ sizeBytes: size, layerCount: 1 })
  const [agent] = fleet.agents
  await fleet.origin.setFaults({ bytesPerSec: 6 * MIB })
  const pull = fleet.pull(agent!, reference)
  pull.catch(() => {})
  await eventually('half of the blob is here', async () => {
    const { home, peer } = await fleet.received([agent!])
    return home + peer > size / 2
  })
  await agent!.kill('SIGKILL')
  await assert.rejects(pull)
  await agent!.restart()
  const { blobs } = (await agent!.api('blobs')) as { blobs: { digest: string; storedBytes: number }[] }
  const kept = blobs.find(({ digest }) => digest === image.layers[0]!.digest)?.storedBytes ?? 0
  assert.ok(kept > size / 3, `only ${kept} of ${size} bytes outlived the kill`)

  await fleet.origin.setFaults({})
  assert.equal((await fleet.pull(agent!, reference)).digest, image.manifest.digest)
  const { home, peer } = await fleet.received([agent!])
  const again = home + peer - (size - kept)
  assert.ok(again < 3 * MIB, `${Math.round(again / MIB)} MiB of verified pieces were fetched again`)
})

test('SIGTERM lets the running pull end, and the store serves at once after the next start', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 1 }] })
  const { image } = await fleet.push({ sizeBytes: 16 * MIB, layerCount: 1 })
  const [agent] = fleet.agents
  const layer = image.layers[0]!
  await fleet.origin.setFaults({ bytesPerSec: 8 * MIB })
  await (await MirrorReader.get(agent!.mirrorUrl, 'library/app/manifests/1?ns=docker.io')).readAll()
  const reader = await MirrorReader.get(agent!.mirrorUrl, `library/app/blobs/${layer.digest}?ns=docker.io`)
  await reader.readAtLeast(1)
  const ended = agent!.kill('SIGTERM')
  assert.deepEqual(await reader.readAll(), { digest: layer.digest, cut: false })
  await ended
  await agent!.restart()
  await fleet.origin.setFaults({ refuse: true })
  const again = await MirrorReader.get(agent!.mirrorUrl, `library/app/blobs/${layer.digest}?ns=docker.io`)
  assert.equal(again.headers['x-shoal-source'], 'local')
  assert.deepEqual(await again.readAll(), { digest: layer.digest, cut: false })
})

test('a client that leaves in the middle of a blob stops nothing for the others, and no reader is left behind', async () => {
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 1 }] })
  const { image } = await fleet.push({ sizeBytes: 32 * MIB, layerCount: 1 })
  const [agent] = fleet.agents
  const layer = image.layers[0]!
  const path = `library/app/blobs/${layer.digest}?ns=docker.io`
  await fleet.origin.setFaults({ bytesPerSec: 16 * MIB })
  await (await MirrorReader.get(agent!.mirrorUrl, 'library/app/manifests/1?ns=docker.io')).readAll()
  const stays = await MirrorReader.get(agent!.mirrorUrl, path)
  // as containerd's parallel fetch does: open-ended ranges, closed after a part
  for (const start of [0, 8 * MIB, 16 * MIB]) {
    const leaves = await MirrorReader.get(agent!.mirrorUrl, path, { range: `bytes=${start}-` })
    assert.equal(leaves.status, 206)
    await leaves.readAtLeast(1)
    leaves.leave()
  }
  assert.deepEqual(await stays.readAll(), { digest: layer.digest, cut: false })
  const counters = await fleet.origin.counters()
  assert.ok(counters.byKind.blob.bytes <= 1.05 * layer.size, 'leaving clients must not fetch the blob again')
})
