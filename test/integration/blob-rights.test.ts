import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { UpstreamConfig } from '../../src/config/index.ts'
import type { BlobFile, BuiltImage } from '../../src/demo/index.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { MEDIA_TYPE } from '../../src/oci/manifest.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { NodeFleet } from '../support/node-fleet.ts'

const KIB = 1024
const ALICE = { authorization: 'Bearer alice' }

interface Item {
  readonly bytes: Uint8Array
  readonly mediaType: string
}

/** A registry of several repositories. Those below `private/` it shows only to whoever has the proof. */
class TwoSidedRegistry {
  readonly asked: string[] = []
  readonly #proof: string
  readonly #items = new Map<string, Item>()
  #port = 0

  private constructor(proof: string) {
    this.#proof = proof
  }

  static async start(t: TestContext, proof: string): Promise<TwoSidedRegistry> {
    const registry = new TwoSidedRegistry(proof)
    const server = createServer((request, response) => registry.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    })
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    registry.#port = address.port
    return registry
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async push(repository: string, image: BuiltImage): Promise<void> {
    for (const file of [image.config, ...image.layers]) await this.pushBlob(repository, file)
    this.pushManifest(repository, await readFile(image.manifest.path), image.manifest.mediaType)
  }

  async pushBlob(repository: string, file: BlobFile): Promise<void> {
    this.#items.set(`${repository}/blobs/${file.digest}`, { bytes: await readFile(file.path), mediaType: '' })
  }

  /** Tags it `v1`, and returns its digest. */
  pushManifest(repository: string, bytes: Uint8Array, mediaType: string): Digest {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest
    for (const name of ['v1', digest]) this.#items.set(`${repository}/manifests/${name}`, { bytes, mediaType })
    return digest
  }

  /** Requests for a digest in a repository. */
  requests(repository: string, digest: string): string[] {
    return this.asked.filter((line) => line.includes(`/v2/${repository}/`) && line.includes(digest))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.asked.push(`${request.method} ${request.url}`)
    const path = (request.url ?? '').replace('/v2/', '')
    const item = this.#items.get(path)
    if (path.startsWith('private/') && request.headers.authorization !== this.#proof) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end()
    } else if (item === undefined) {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"errors":[{"code":"BLOB_UNKNOWN"}]}')
    } else {
      send(request, response, item)
    }
  }
}

function send(request: IncomingMessage, response: ServerResponse, { bytes, mediaType }: Item): void {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
  const part = from === undefined ? bytes : bytes.subarray(Number(from), Number(to) + 1)
  const headers = { 'content-length': part.length, 'content-type': mediaType || 'application/octet-stream' }
  if (from === undefined) response.writeHead(200, headers)
  else response.writeHead(206, { ...headers, 'content-range': `bytes ${from}-${to}/${bytes.length}` })
  response.end(request.method === 'HEAD' ? undefined : part)
}

/** A manifest that only names what others have. */
function naming(files: readonly Pick<BlobFile, 'digest' | 'size'>[]): Uint8Array {
  const layers = files.map(({ digest, size }) => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest,
    size,
  }))
  const config = { ...layers[0], mediaType: 'application/vnd.oci.image.config.v1+json' }
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers }))
}

function namingManifest({ digest, size }: BlobFile): Uint8Array {
  const manifests = [{ mediaType: MEDIA_TYPE.ociManifest, digest, size }]
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests }))
}

/** One registry behind upstreams with each kind of access. */
async function start(t: TestContext, shape: { readonly sizeBytes: number; readonly agents?: number }) {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: shape.sizeBytes, layerCount: 1 })
  const basic = `Basic ${Buffer.from('u:p').toString('base64')}`
  const node = await TwoSidedRegistry.start(t, basic)
  const client = await TwoSidedRegistry.start(t, ALICE.authorization)
  const open = await TwoSidedRegistry.start(t, '')
  const credentials = { username: 'u', password: 'p' }
  const upstreams: UpstreamConfig[] = [
    { name: 'node.test', access: 'node', origins: [{ kind: 'registry', url: node.url, credentials }] },
    { name: 'client.test', access: 'passthrough', origins: [{ kind: 'registry', url: client.url }] },
    { name: 'open.test', access: 'public', origins: [{ kind: 'registry', url: open.url }] },
  ]
  const { cache, agents } = await fleet.region({ upstreams }, shape.agents ?? 1)
  return { image, registries: { 'node.test': node, 'client.test': client, 'open.test': open }, cache, agents }
}

async function pull(node: TestNode, upstream: string, image: BuiltImage): Promise<void> {
  const headers = upstream === 'client.test' ? ALICE : undefined
  for (const path of ['manifests/v1', ...[image.config, ...image.layers].map(({ digest }) => `blobs/${digest}`)]) {
    const response = await node.get(upstream, `private/app/${path}`, headers)
    await response.arrayBuffer()
    assert.equal(response.status, 200, path)
  }
}

async function status(node: TestNode, upstream: string, path: string): Promise<number> {
  const response = await node.get(upstream, path, upstream === 'client.test' ? ALICE : undefined)
  await response.arrayBuffer()
  return response.status
}

/** No byte of a blob is given away; of one whose size is known the refusal may come after the headers. */
async function assertWithheld(node: TestNode, upstream: string, path: string): Promise<void> {
  const response = await node.get(upstream, path, upstream === 'client.test' ? ALICE : undefined)
  let received = 0
  try {
    for await (const chunk of response.body ?? []) received += chunk.length
    assert.equal(response.status, 404, path)
  } catch (error) {
    assert.ok(error instanceof TypeError && response.status === 200 && received === 0, `${received} bytes: ${error}`)
  }
}

for (const size of ['small', 'large'] as const) {
  for (const owner of ['node.test', 'client.test'] as const) {
    for (const thief of ['node.test', 'client.test', 'open.test'] as const) {
      test(`a ${size} layer that came by ${owner} does not leave where ${thief} only names it`, async (t) => {
        const { image, registries, cache, agents } = await start(t, {
          sizeBytes: size === 'small' ? 64 * KIB : KIB * KIB,
        })
        const [agent] = agents as [TestNode]
        const [layer] = image.layers as [BlobFile]
        await registries[owner].push('private/app', image)
        await pull(agent, owner, image)
        const registry = registries[thief]
        registry.pushManifest('mallory/steal', naming([layer]), MEDIA_TYPE.ociManifest)
        registry.pushManifest('mallory/guess', naming([{ ...layer, size: 7 }]), MEDIA_TYPE.ociManifest)
        for (const repository of ['mallory/steal', 'mallory/guess']) {
          for (const node of [agent, cache]) {
            assert.equal(await status(node, thief, `${repository}/manifests/v1`), 200)
            await assertWithheld(node, thief, `${repository}/blobs/${layer.digest}`)
          }
        }
        // once its own origin has it, it may
        await registry.pushBlob('mallory/steal', layer)
        assert.equal(await status(agent, thief, `mallory/steal/blobs/${layer.digest}`), 200)
      })
    }
  }
}

test('a private manifest does not leave where an index of another repository only names it', async (t) => {
  const { image, registries, cache, agents } = await start(t, { sizeBytes: 8 * KIB })
  const [agent] = agents as [TestNode]
  await registries['node.test'].push('private/app', image)
  await pull(agent, 'node.test', image)
  for (const upstream of ['node.test', 'open.test'] as const) {
    registries[upstream].pushManifest('mallory/steal', namingManifest(image.manifest), MEDIA_TYPE.ociIndex)
    for (const node of [agent, cache]) {
      assert.equal(await status(node, upstream, 'mallory/steal/manifests/v1'), 200)
      assert.equal(await status(node, upstream, `mallory/steal/manifests/${image.manifest.digest}`), 404)
    }
  }
})

test('a half of a private layer that lies here does not leave for whoever names it', async (t) => {
  const { image, registries, agents } = await start(t, { sizeBytes: KIB * KIB })
  const [agent] = agents as [TestNode]
  const [layer] = image.layers as [BlobFile]
  await registries['node.test'].push('private/app', image)
  await agent.setLimits({ download: 16 * KIB })
  assert.equal(await status(agent, 'node.test', 'private/app/manifests/v1'), 200)
  const alice = await agent.get('node.test', `private/app/blobs/${layer.digest}`)
  registries['open.test'].pushManifest('mallory/steal', naming([layer]), MEDIA_TYPE.ociManifest)
  assert.equal(await status(agent, 'open.test', 'mallory/steal/manifests/v1'), 200)
  await assertWithheld(agent, 'open.test', `mallory/steal/blobs/${layer.digest}`)
  await agent.setLimits({ download: 0 })
  assert.equal((await alice.arrayBuffer()).byteLength, layer.size)
})

test('an origin is asked once by the region for what a second repository shares, and not at all by a burst', async (t) => {
  const { image, registries, agents } = await start(t, { sizeBytes: KIB * KIB, agents: 4 })
  const [layer] = image.layers as [BlobFile]
  const registry = registries['node.test']
  for (const repository of ['private/app', 'private/other']) await registry.push(repository, image)
  await Promise.all(agents.map((agent) => pull(agent, 'node.test', image)))
  const heads = (repository: string): string[] =>
    registry.requests(repository, layer.digest).filter((line) => line.startsWith('HEAD'))
  assert.deepEqual(heads('private/app'), [], 'whoever reads a blob from the origin need not ask whether it has it')
  const asked = registry.requests('private/app', layer.digest).length
  for (const round of [1, 2]) {
    const statuses = agents.flatMap((agent) => [
      status(agent, 'node.test', 'private/other/manifests/v1').then(() =>
        status(agent, 'node.test', `private/other/blobs/${layer.digest}`),
      ),
    ])
    assert.deepEqual(await Promise.all(statuses), [200, 200, 200, 200], `round ${round}`)
  }
  assert.equal(heads('private/other').length, 1)
  assert.equal(registry.requests('private/other', layer.digest).length, 1, 'no byte of it was read again')
  assert.equal(registry.requests('private/app', layer.digest).length, asked)
})

test('within one public upstream repositories share what any of them may read without asking', async (t) => {
  const { image, registries, agents } = await start(t, { sizeBytes: KIB * KIB, agents: 2 })
  const [layer] = image.layers as [BlobFile]
  const registry = registries['open.test']
  await registry.push('team/app', image)
  await registry.push('team/other', image)
  for (const agent of agents) {
    for (const repository of ['team/app', 'team/other']) {
      assert.equal(await status(agent, 'open.test', `${repository}/manifests/v1`), 200)
      assert.equal(await status(agent, 'open.test', `${repository}/blobs/${layer.digest}`), 200)
    }
  }
  assert.deepEqual(registry.requests('team/other', layer.digest), [])
})
