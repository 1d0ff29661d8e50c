import assert from 'node:assert/strict'
import { open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '../../src/base/log.ts'
import type { BlobFile, BuiltImage } from '../../src/demo/index.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { HASH_BYTES } from '../../src/piece/piece-proof.ts'
import type { PrewarmView } from '../../src/prewarm/index.ts'
import { StorePaths } from '../../src/store/paths.ts'
import { proofsKey } from '../../src/store/rows.ts'
import { StoreIndex } from '../../src/store/store-index.ts'
import { tryPrewarm } from '../support/ask-prewarm.ts'
import { eventually } from '../support/eventually.ts'
import { HARMS } from '../support/harms.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'
import { tempDir } from '../support/temp-dir.ts'

const UP = 'registry.test'
const REPOSITORY = 'team/app'
const KIB = 1024
const PIECE = 128 * KIB

/** What of an image a bit turns over in; the first layer has many pieces, the second has one. */
const PARTS = {
  'a layer': (image: BuiltImage) => image.layers[0]!,
  'a layer of one piece': (image: BuiltImage) => image.layers.at(-1)!,
  'a config': (image: BuiltImage) => image.config,
  'a manifest': (image: BuiltImage) => image.manifest,
} as const

interface Host {
  readonly node: TestNode
  readonly path: string
}

/** A bad disk turns one bit of a committed blob over, in the middle. */
async function flip({ path, node }: Host, { digest }: Pick<BlobFile, 'digest'>): Promise<void> {
  await eventually('the blob is committed', async () => (await node.storedDigests()).includes(digest))
  const file = await open(new StorePaths(path).blob(digest), 'r+')
  try {
    const at = Math.floor((await file.stat()).size / 2)
    const byte = new Uint8Array(1)
    await file.read(byte, 0, 1, at)
    byte[0]! ^= 1
    await file.write(byte, 0, 1, at)
  } finally {
    await file.close()
  }
}

/** A cache and two agents, and an origin for them; images are made as they are needed. */
class Region {
  readonly fleet: NodeFleet
  readonly #origin: string
  #made = 0

  private constructor(fleet: NodeFleet) {
    this.fleet = fleet
    this.#origin = join(fleet.directory, 'origin')
  }

  static async open(t: Parameters<typeof NodeFleet.create>[0]): Promise<Region> {
    return new Region(await NodeFleet.create(t))
  }

  async host(name: string, caches: readonly TestNode[] | 'cache'): Promise<Host> {
    const path = join(this.fleet.directory, name)
    const upstreams = [directoryUpstream(UP, this.#origin)]
    const isCache = caches === 'cache'
    const spec = { role: isCache ? ('cache' as const) : ('agent' as const), caches: isCache ? [] : caches }
    return { path, node: await this.fleet.start({ ...spec, upstreams, store: { path } }) }
  }

  /** A layer of 16 pieces and one of less than one. */
  async image(): Promise<{ readonly tag: string; readonly image: BuiltImage }> {
    const tag = `v${++this.#made}`
    const image = await this.fleet.image({ layerSizes: [16 * PIECE, 40 * KIB], seed: this.#made })
    await this.fleet.push('origin', REPOSITORY, tag, image)
    return { tag, image }
  }
}

function ownAdmin({ node, path }: Host): string[] {
  return ['--admin', node.adminUrl, '--token-file', join(path, 'admin.token')]
}

function bySize(a: { readonly sizeBytes: number }, b: { readonly sizeBytes: number }): number {
  return a.sizeBytes - b.sizeBytes
}

async function corrupt({ node }: Host): Promise<number> {
  return (await node.metrics()).sum('shoal_store_corrupt_total')
}

async function range({ node }: Host, digest: string, start: number, end: number): Promise<Uint8Array> {
  const headers = { range: `bytes=${start}-${end - 1}` }
  const response = await node.get(UP, `${REPOSITORY}/blobs/${digest}`, headers)
  assert.equal(response.status, 206)
  return new Uint8Array(await response.arrayBuffer())
}

/** Whole, as docker and containerd read, by tag and by digest. */
async function pullWhole({ node }: Host, tag: string, image: BuiltImage): Promise<void> {
  await node.pull(UP, REPOSITORY, tag, image)
  const { digest } = image.manifest
  assert.equal((await node.manifest(UP, REPOSITORY, digest)).digest, digest)
}

test('on a host: whatever of an image a bit turns over in, the next pull is right, and again from its own disk', async (t) => {
  const region = await Region.open(t)
  const cache = await region.host('cache', 'cache')
  const agent = await region.host('agent', [cache.node])
  for (const [part, of] of Object.entries(PARTS)) {
    await t.test(part, async () => {
      const { tag, image } = await region.image()
      await pullWhole(agent, tag, image)
      const [before, fromOrigin] = [await corrupt(agent), await cache.node.received('origin')]
      await flip(agent, of(image))
      await pullWhole(agent, tag, image)
      assert.equal((await corrupt(agent)) - before, 1, 'counted once')
      await eventually('the blob is whole on the host again', async () =>
        (await agent.node.storedDigests()).includes(of(image).digest),
      )
      await pullWhole(agent, tag, image)
      assert.equal(await corrupt(agent), before + 1)
      assert.equal(
        await cache.node.received('origin'),
        fromOrigin,
        'the region had it: nothing more came from the origin',
      )
      assert.equal(await agent.node.received('origin'), 0)
    })
  }
})

test('on a host: a range over damage, and one before it in the same piece, are right', async (t) => {
  const region = await Region.open(t)
  const cache = await region.host('cache', 'cache')
  const agent = await region.host('agent', [cache.node])
  for (const [start, end] of [
    [8 * PIECE - 100, 8 * PIECE + 5_000],
    [8 * PIECE + 1, 8 * PIECE + 2],
    [0, 16 * PIECE],
  ] as const) {
    const { tag, image } = await region.image()
    await agent.node.pull(UP, REPOSITORY, tag, image)
    const layer = image.layers[0]!
    const content = await readFile(layer.path)
    await flip(agent, layer)
    const until = Math.min(end, layer.size)
    const got = await range(agent, layer.digest, start, until)
    assert.equal(digestOf(got), digestOf(content.subarray(start, until)), `bytes ${start} to ${until}`)
  }
  assert.equal(await corrupt(agent), 3)
})

test('on a host and on its cache at once: whatever becomes of the files of an image, each pull is right', async (t) => {
  const region = await Region.open(t)
  const cache = await region.host('cache', 'cache')
  const agent = await region.host('agent', [cache.node])
  for (const [name, harm] of Object.entries(HARMS)) {
    await t.test(name, async () => {
      const { tag, image } = await region.image()
      await pullWhole(agent, tag, image)
      for (const of of Object.values(PARTS)) {
        for (const { node, path } of [cache, agent]) {
          const file = new StorePaths(path).blob(of(image).digest)
          // neighbours in one directory share its fate
          if ((await node.storedDigests()).includes(of(image).digest)) await harm(file).catch(() => {})
        }
      }
      for (let pull = 0; pull < 2; pull++) await pullWhole(agent, tag, image)
      await eventually('the image is whole on the host again', async () => {
        const stored = await agent.node.storedDigests()
        return Object.values(PARTS).every((of) => stored.includes(of(image).digest))
      })
    })
  }
})

test('on the only cache: whatever of an image a bit turns over in, hosts have it right, and nobody is banned', async (t) => {
  const region = await Region.open(t)
  const images = new Map<string, { readonly tag: string; readonly image: BuiltImage }>()
  const filled = await region.host('cache', 'cache')
  for (const [part, of] of Object.entries(PARTS)) {
    const made = await region.image()
    images.set(part, made)
    await pullWhole(filled, made.tag, made.image)
    await flip(filled, of(made.image))
  }
  // what it has in memory is right
  await filled.node.node[Symbol.asyncDispose]()
  const cache = await region.host('cache', 'cache')
  const agents = await Promise.all(['agent-0', 'agent-1'].map((name) => region.host(name, [cache.node])))
  for (const [part, of] of Object.entries(PARTS)) {
    await t.test(part, async () => {
      const { tag, image } = images.get(part)!
      const [before, fromOrigin] = [await corrupt(cache), await cache.node.received('origin')]
      await Promise.all(agents.map((agent) => pullWhole(agent, tag, image)))
      assert.equal((await corrupt(cache)) - before, 1)
      await eventually('the blob is whole on the cache again', async () =>
        (await cache.node.storedDigests()).includes(of(image).digest),
      )
      const again = (await cache.node.received('origin')) - fromOrigin
      assert.ok(again <= PIECE, `${again} bytes came from the origin again`)
      for (const { node } of agents) {
        assert.equal(await node.received('origin'), 0)
        const { tier } = (await node.admin('status')) as { tier: { state: string } }
        assert.equal(tier.state, 'linked')
      }
    })
  }
})

test('a prewarm job calls a host ready only when what it has is right', async (t) => {
  const region = await Region.open(t)
  const cache = await region.host('cache', 'cache')
  const agent = await region.host('agent', [cache.node])
  const { tag, image } = await region.image()
  await pullWhole(agent, tag, image)
  const damaged = Object.values(PARTS).map((of) => of(image))
  for (const blob of damaged) await flip(agent, blob)
  const ask = (path: string, body?: unknown) =>
    tryPrewarm(cache.node, path, body === undefined ? {} : { method: 'POST', body }).then(
      (answer) => answer.body as PrewarmView,
    )
  const { id } = await ask('', { images: [`${UP}/${REPOSITORY}:${tag}`] })
  const job = await eventually('the job has ended', async () => {
    const view = await ask(`/${id}`)
    return view.state === 'running' ? undefined : view
  })
  assert.deepEqual([job?.state, job?.hosts.ready], ['done', 1])
  for (const { digest } of damaged) {
    assert.equal(digestOf(await readFile(new StorePaths(agent.path).blob(digest))), digest)
  }
})

test('shoal verify finds damage that nobody has read, says what was done and fails; afterwards all is well', async (t) => {
  const region = await Region.open(t)
  const cache = await region.host('cache', 'cache')
  const agent = await region.host('agent', [cache.node])
  const [first, second] = [await region.image(), await region.image()]
  for (const { tag, image } of [first, second]) await pullWhole(agent, tag, image)
  await eventually('all is committed', async () => (await agent.node.storedDigests()).length === 8)
  const verify = (...args: string[]) => runCommand(['verify', ...args, ...ownAdmin(agent)])
  assert.match((await verify()).stdout, /^8 of 8 blobs .* compared: no damage$/m)
  const layer = first.image.layers[0]!
  await flip(agent, layer)
  await flip(agent, first.image.config)
  const other = await verify(`${UP}/${REPOSITORY}:${second.tag}`)
  assert.deepEqual([other.code, other.stderr], [0, ''])
  assert.match(other.stdout, /^4 of 4 blobs .* no damage$/m)
  const found = await verify('--json', `${UP}/${REPOSITORY}:${first.tag}`)
  assert.equal(found.code, 1, found.stderr)
  const { state, damaged, absent } = JSON.parse(found.stdout)
  assert.deepEqual([state, absent], ['done', []])
  const config = {
    digest: first.image.config.digest,
    sizeBytes: first.image.config.size,
    pieces: [0],
    wholeAgain: true,
  }
  const pieces = { digest: layer.digest, sizeBytes: layer.size, pieces: [8], wholeAgain: true }
  assert.deepEqual(damaged.toSorted(bySize), [config, pieces].toSorted(bySize))
  assert.equal((await verify(layer.digest)).code, 0)
  assert.match((await verify(`sha256:${'0'.repeat(64)}`)).stdout, /^not here: sha256:0+$/m)
})

test('shoal verify --store says so where there is no store, and makes none', async (t) => {
  const directory = await tempDir(t)
  for (const path of [directory, join(directory, 'typo')]) {
    const { code, stdout, stderr } = await runCommand(['verify', '--store', path])
    assert.deepEqual([code, stdout], [2, ''])
    assert.equal(
      stderr,
      `shoal: --store ${path}: there is no store; give the store.path of the agent's configuration\n`,
    )
  }
  assert.deepEqual(await readdir(directory), [])
})

test('shoal verify --store compares what a stopped agent has, and drops what is damaged', async (t) => {
  const region = await Region.open(t)
  const cache = await region.host('cache', 'cache')
  const { tag, image } = await region.image()
  await pullWhole(cache, tag, image)
  const running = await runCommand(['verify', '--store', cache.path])
  assert.deepEqual([running.code, /in use by another agent/.test(running.stderr)], [1, true])
  const layer = image.layers[0]!
  await flip(cache, layer)
  await cache.node.node[Symbol.asyncDispose]()
  const found = await runCommand(['verify', '--store', cache.path])
  assert.equal(found.code, 1)
  assert.match(found.stdout, new RegExp(`^${layer.digest} .* piece 8 +dropped$`, 'm'))
  assert.equal((await runCommand(['verify', '--store', cache.path])).code, 0)
})

test('a pinned blob that was found damaged is fetched again, although nobody asks for it', async (t) => {
  const region = await Region.open(t)
  const cache = await region.host('cache', 'cache')
  const agent = await region.host('agent', [cache.node])
  const { tag, image } = await region.image()
  await agent.node.pull(UP, REPOSITORY, tag, image)
  const layer = image.layers[0]!
  await flip(agent, layer)
  // a client that looks at one byte and leaves
  assert.equal((await range(agent, layer.digest, 8 * PIECE, 8 * PIECE + 1)).length, 1)
  await eventually('whole again', async () => (await agent.node.storedDigests()).includes(layer.digest))
  assert.equal(digestOf(await readFile(new StorePaths(agent.path).blob(layer.digest))), layer.digest)
})

test('a wrong hash in the index of the only cache costs its region nothing but that piece', async (t) => {
  const region = await Region.open(t)
  const { tag, image } = await region.image()
  const layer = image.layers[0]!
  const first = await region.host('cache', 'cache')
  await first.node.pull(UP, REPOSITORY, tag, image)
  await first.node.node[Symbol.asyncDispose]()
  {
    await using index = await StoreIndex.open(new StorePaths(first.path).level, silentLogger)
    const proofs = Uint8Array.from((await index.get(proofsKey(layer.digest))) ?? [])
    assert.ok(proofs.length > 0)
    proofs[7 * HASH_BYTES]! ^= 1
    await index.write([[proofsKey(layer.digest), proofs]], { sync: true })
  }
  const cache = await region.host('cache', 'cache')
  const agents = await Promise.all(['agent-0', 'agent-1'].map((name) => region.host(name, [cache.node])))
  await Promise.all(agents.map((agent) => pullWhole(agent, tag, image)))
  for (const { node } of agents) {
    assert.equal(await node.received('origin'), 0)
    assert.equal(((await node.admin('status')) as { tier: { state: string } }).tier.state, 'linked')
  }
})
