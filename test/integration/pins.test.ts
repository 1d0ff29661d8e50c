import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { pinSchema, pinsSchema, unpinnedSchema } from '../../src/admin/index.ts'
import type { BuiltImage } from '../../src/demo/index.ts'
import { buildImage, writeToBucketTree } from '../../src/demo/index.ts'
import { buildIndex } from '../support/build-index.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'

const MIB = 1024 * 1024

function adminOf(host: TestNode): string[] {
  return ['--admin', `http://${host.node.addresses.admin}`]
}

async function pins(host: TestNode) {
  return pinsSchema.parse(await host.admin('pins')).pins
}

/** Whether a layer of the image is not on the host's disk. */
async function lacksSome(host: TestNode, { layers }: BuiltImage): Promise<boolean> {
  const stored = new Set(await host.storedDigests())
  return layers.some(({ digest }) => !stored.has(digest))
}

describe('pins', () => {
  it('keep an image while others are evicted for room, until they are taken away', async (t) => {
    const fleet = await NodeFleet.create(t)
    const [kept, pressing, more] = await Promise.all(
      [1, 2, 3].map((seed) => fleet.image({ seed, sizeBytes: 24 * MIB, layerCount: 2 })),
    )
    assert.ok(kept !== undefined && pressing !== undefined && more !== undefined)
    const root = await fleet.push('origin', 'team/kept', '1', kept)
    await fleet.push('origin', 'team/pressing', '1', pressing)
    await fleet.push('origin', 'team/more', '1', more)
    const spec = {
      upstreams: [directoryUpstream('registry.test', root)],
      // Room for two of the three images.
      store: { capacityBytes: 64 * MIB, path: join(fleet.directory, 'store') },
    }
    let host = await fleet.start(spec)
    // What was served until just now stays for others a while; a new process evicts at once.
    const restart = async (): Promise<void> => {
      await host.node[Symbol.asyncDispose]()
      host = await fleet.start(spec)
    }

    // Before any of its blobs is there: a pin holds for what is to come.
    const { code, stdout, stderr } = await runCommand([
      'pin',
      'registry.test/team/kept:1',
      '--for',
      '7d',
      ...adminOf(host),
    ])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^registry\.test\/team\/kept:1: pinned until .* of 24 MiB here\)$/m)
    await host.pull('registry.test', 'team/kept', '1', kept)
    await host.pull('registry.test', 'team/pressing', '1', pressing)
    await restart()
    await host.pull('registry.test', 'team/more', '1', more)
    assert.ok(await lacksSome(host, pressing), 'an image that nobody pinned makes room')
    const stored = new Set(await host.storedDigests())
    for (const { digest } of [kept.manifest, kept.config, ...kept.layers]) assert.ok(stored.has(digest), digest)

    const [pin] = await pins(host)
    assert.equal(pin?.presentBytes, pin?.bytes)
    assert.equal((await host.metrics()).sum('shoal_store_bytes', { state: 'pinned' }), pin?.bytes)
    assert.match((await runCommand(['status', ...adminOf(host)])).stdout, /, 24 MiB pinned\)/)
    assert.match(
      (await runCommand(['pin', '--list', ...adminOf(host)])).stdout,
      /^registry\.test\/team\/kept:1 +(7d|6d\S*) +24 MiB of 24 MiB +sha256:/m,
    )

    const unpinned = await runCommand(['unpin', 'registry.test/team/kept:1', ...adminOf(host)])
    assert.equal(unpinned.stdout, 'registry.test/team/kept:1: no longer pinned\n')
    assert.equal((await host.metrics()).sum('shoal_store_bytes', { state: 'pinned' }), 0)
    await restart()
    await host.pull('registry.test', 'team/pressing', '1', pressing)
    assert.ok(await lacksSome(host, kept), 'an image that is pinned no more makes room, being the least recently used')
  })

  it('leave a layer that another pinned image has', async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ seed: 7, sizeBytes: 8 * MIB })
    const root = await fleet.push('origin', 'team/one', '1', image)
    await fleet.push('origin', 'team/two', '1', image)
    const host = await fleet.start({ upstreams: [directoryUpstream('registry.test', root)] })
    await host.pull('registry.test', 'team/one', '1', image)
    for (const reference of ['registry.test/team/one:1', 'registry.test/team/two:1']) {
      const pin = pinSchema.parse(await host.admin('pins', { reference }))
      assert.equal(pin.digest, image.manifest.digest)
      assert.ok(pin.untilEpochMs > Date.now() + 23 * 3_600_000, 'a day, when nobody says')
    }
    const held = async () => (await host.metrics()).sum('shoal_store_bytes', { state: 'pinned' })
    const all = await held()
    assert.ok(all > 8 * MIB)
    const url = `http://${host.node.addresses.admin}/api/v1/pins?reference=registry.test/team/one:1`
    assert.deepEqual(
      unpinnedSchema.parse(await (await fetch(url, { method: 'DELETE', headers: await host.adminHeaders() })).json()),
      {
        reference: 'registry.test/team/one:1',
        unpinned: true,
      },
    )
    assert.equal(await held(), all)
    assert.deepEqual(
      (await pins(host)).map(({ reference }) => reference),
      ['registry.test/team/two:1'],
    )
  })

  it('of an image for several platforms are of one of them', async (t) => {
    const fleet = await NodeFleet.create(t)
    const platforms = [
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 's390x' },
    ]
    const built = join(fleet.directory, 'built')
    const images = await Promise.all(
      platforms.map((platform, seed) => buildImage(built, { platform, seed, sizeBytes: MIB, layerCount: 1 })),
    )
    const index = await buildIndex(built, images)
    const root = join(fleet.directory, 'origin')
    await writeToBucketTree(root, { repository: 'team/app', tag: '1' }, index)
    const host = await fleet.start({ upstreams: [directoryUpstream('registry.test', root)] })
    const reference = 'registry.test/team/app:1'
    const pin = pinSchema.parse(await host.admin('pins', { reference, platform: 'linux/s390x' }))
    const wanted = images[1]
    assert.equal(pin.digest, index.manifest.digest)
    // The index, one manifest, its config and its layer.
    assert.deepEqual([pin.blobs, pin.bytes], [4, index.manifest.size + (wanted?.sizeBytes ?? 0)])
    const { code, stderr } = await runCommand(['pin', reference, '--platform', 'linux/riscv64', ...adminOf(host)])
    assert.equal(code, 1)
    assert.match(stderr, /has no image for linux\/riscv64; it has: linux\/amd64, linux\/s390x/)
  })

  it('of what cannot be are errors that say why', async (t) => {
    const fleet = await NodeFleet.create(t)
    const root = await fleet.push('origin', 'team/app', '1', await fleet.image({ sizeBytes: MIB, layerCount: 1 }))
    const host = await fleet.start({ upstreams: [directoryUpstream('registry.test', root)] })
    const cases = [
      [['pin', 'registry.test/team/none:1'], 1, /: registry\.test\/team\/none has no tag 1$/m],
      [['pin', 'elsewhere.test/team/app:1'], 1, /no upstream is called elsewhere\.test/],
      [['pin', 'UPPER'], 2, /no repository name/],
      [['pin', 'registry.test/team/app:1', '--for', '400d'], 2, /from 1s to 365d/],
      [['pin', 'registry.test/team/app:1', '--for', 'long'], 2, /--for long/],
      [['pin'], 2, /either a reference or --list/],
      [['unpin', 'registry.test/team/app:1'], 1, /is not pinned/],
    ] as const
    for (const [args, code, message] of cases) {
      const result = await runCommand([...args, ...adminOf(host)])
      assert.deepEqual({ args, code: result.code }, { args, code }, result.stderr)
      assert.match(result.stderr, message)
    }
    assert.deepEqual(await pins(host), [])
  })
})
