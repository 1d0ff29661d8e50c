import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { encodeJson } from '../../src/base/json.ts'
import type { Refusal } from '../../src/base/outcome.ts'
import { blobRequests } from '../../src/blob/index.ts'
import type { UpstreamConfig } from '../../src/config/index.ts'
import type { BuiltImage } from '../../src/demo/index.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { ordersProtocol } from '../../src/orders/index.ts'
import { parsePrewarmSpec } from '../../src/prewarm/index.ts'
import type { FleetKey, PeerLink, Response } from '../../src/swarm/index.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/swarm/index.ts'
import { transferRequests } from '../../src/transfer/index.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { NodeFleet } from '../support/node-fleet.ts'
import { soon, TestFleet } from './swarm-support.ts'

const UP = 'registry.test'
const PLACE = { upstream: UP, repository: 'team/app' }
const UNKNOWN = '{"errors":[{"code":"NAME_UNKNOWN"}]}'
/** As many as a link takes at once. */
const AT_ONCE = 32

/** A registry that does not name itself, so that a HEAD tells nobody whose "no" it is. */
class Registry {
  requests = 0
  url = ''
  readonly #files = new Map<string, { readonly bytes: Uint8Array; readonly type: string }>()

  static async start(t: TestContext, image: BuiltImage, tags: readonly string[]): Promise<Registry> {
    const registry = new Registry()
    const { manifest, config, layers } = image
    for (const { digest, path, mediaType } of [manifest, config, ...layers]) {
      registry.#files.set(digest, { bytes: await readFile(path), type: mediaType })
    }
    for (const tag of tags) registry.#files.set(tag, registry.#files.get(manifest.digest)!)
    const server = createServer((request, response) => registry.#answer(request, response))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    registry.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return registry
  }

  upstream(): UpstreamConfig {
    return { name: UP, access: 'public', origins: [{ kind: 'registry', url: this.url }] }
  }

  #answer({ method, url, headers }: IncomingMessage, response: ServerResponse): void {
    this.requests++
    const target = /^\/v2\/team\/app\/(?:manifest|blob)s\/([^/?]+)$/.exec(url ?? '')?.[1]
    const file = target === undefined ? undefined : this.#files.get(target)
    if (file === undefined) return void response.writeHead(404).end(method === 'HEAD' ? undefined : UNKNOWN)
    const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '')
    const [start, end] = range === null ? [0, file.bytes.length] : [Number(range[1]), Number(range[2]) + 1]
    const head = { 'content-type': file.type, 'content-length': end - start }
    const part = { 'content-range': `bytes ${start}-${end - 1}/${file.bytes.length}` }
    response.writeHead(range === null ? 200 : 206, range === null ? head : { ...head, ...part })
    response.end(method === 'HEAD' ? undefined : file.bytes.subarray(start, end))
  }
}

interface Scene {
  readonly registry: Registry
  readonly image: BuiltImage
  readonly cache: TestNode
  readonly agent: TestNode
  readonly member: () => Promise<PeerLink>
}

/** A cache before a registry, an agent of it, and members that hold the agents' key and ask what they like. */
async function scene(t: TestContext, layerCount = 2, tags: readonly string[] = ['v1']): Promise<Scene> {
  const key: FleetKey = generateFleetKey()
  const fleetKey = agentKeyOf(key)
  const members = await TestFleet.create()
  t.after(() => members[Symbol.asyncDispose]())
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: layerCount * 64, layerCount })
  const registry = await Registry.start(t, image, tags)
  const upstreams = [registry.upstream()]
  const cache = await fleet.start({ role: 'cache', upstreams, key: formatFleetKey(key) })
  const agent = await fleet.start({ upstreams, caches: [cache], key: formatFleetKey(fleetKey) })
  const member = async (): Promise<PeerLink> => {
    const { swarm } = await members.host({ region: 'default', fleetKey })
    return swarm.connectAddress(cache.peerAddress, soon())
  }
  return { registry, image, cache, agent, member }
}

function madeUp(): Digest {
  return `sha256:${createHash('sha256').update(randomUUID()).digest('hex')}` as Digest
}

type Result = Response | Refusal

function isRefused(result: Result, reason: 'unknown' | 'unavailable'): boolean {
  return 'reason' in result && result.reason === reason
}

/** Asks so many times, as many at once as a link takes. */
async function often(count: number, ask: () => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  while (results.length < count) results.push(...(await Promise.all(Array.from({ length: AT_ONCE }, ask))))
  return results
}

const have = new Uint8Array()
/** Every way to make a cache ask its origin for what does not exist, and what 640 of them may cost it. */
const WAYS: readonly (readonly [name: string, mostRequests: number, (link: PeerLink) => Promise<Result>])[] = [
  ['blobs', 260, (link) => link.request(blobRequests.stat, { ...PLACE, digest: madeUp() }, soon())],
  [
    'confirmations',
    260,
    (link) => link.request(blobRequests.stat, { ...PLACE, digest: madeUp(), confirm: true }, soon()),
  ],
  [
    'swarms',
    260,
    (link) => link.request(transferRequests.join, { ...PLACE, digest: madeUp(), size: 1e9, have }, soon()),
  ],
  [
    'manifests',
    260,
    (link) => link.request(blobRequests.manifest, { ...PLACE, target: { kind: 'digest', digest: madeUp() } }, soon()),
  ],
  [
    'tags',
    700,
    (link) => link.request(blobRequests.manifest, { ...PLACE, target: { kind: 'tag', tag: randomUUID() } }, soon()),
  ],
  ['tag lists', 700, (link) => link.request(blobRequests.tags, { ...PLACE, repository: randomUUID() }, soon())],
  // two each: a registry without the API is asked for the tag that stands in for it
  ['referrers', 1400, (link) => link.request(blobRequests.referrers, { ...PLACE, digest: madeUp() }, soon())],
  [
    'plans',
    100,
    (link) => link.request(ordersProtocol.prewarm, { body: plan(`${UP}/team/app:${randomUUID()}`) }, soon()),
  ],
]

function plan(image: string): Uint8Array {
  const spec = parsePrewarmSpec({ images: [image] })
  return encodeJson({ name: 'plan', hops: 0, ask: { spec } })
}

for (const [name, mostRequests, ask] of WAYS) {
  test(`640 questions about made-up ${name} cost the origin ${mostRequests} requests at most`, async (t) => {
    const { registry, image, agent, member } = await scene(t)
    const link = await member()
    const results = await often(640, () => ask(link))
    assert.ok(registry.requests <= mostRequests, `${registry.requests} requests`)
    const told = results.filter((result) => result.kind === 'prewarm' || isRefused(result, 'unknown'))
    assert.ok(told.length >= 8, 'nobody asked')
    assert.ok(results.some((result) => isRefused(result, 'unavailable')))
    // whoever asks for what is there has it, the wasteful member as well
    await agent.pull(UP, 'team/app', 'v1', image)
    const layer = image.layers[0]!
    assert.equal((await link.request(blobRequests.stat, { ...PLACE, digest: layer.digest }, soon())).kind, 'stat')
    const known = await link.request(blobRequests.manifest, { ...PLACE, target: { kind: 'tag', tag: 'v1' } }, soon())
    assert.equal(known.kind, 'manifest')
  })
}

test('what was not found a moment ago is not asked for again, whoever asks', async (t) => {
  const { registry, member } = await scene(t)
  const [one, other] = [await member(), await member()]
  const digest = madeUp()
  const asks = [
    (link: PeerLink) => link.request(blobRequests.manifest, { ...PLACE, target: { kind: 'tag', tag: 'v404' } }, soon()),
    (link: PeerLink) => link.request(blobRequests.manifest, { ...PLACE, target: { kind: 'digest', digest } }, soon()),
    (link: PeerLink) => link.request(blobRequests.stat, { ...PLACE, digest }, soon()),
  ]
  for (const ask of asks) assert.equal((await ask(one)).kind, 'refused')
  const { requests } = registry
  for (const ask of asks) {
    const again = await ask(other)
    assert.ok(again.kind === 'refused' && again.reason === 'unknown')
  }
  assert.equal(registry.requests, requests)
})

test('a blob that is not there costs one request once a registry has shown that its HEAD does not say so', async (t) => {
  const { registry, member } = await scene(t)
  const link = await member()
  await link.request(blobRequests.stat, { ...PLACE, digest: madeUp() }, soon())
  const { requests } = registry
  for (let n = 0; n < 10; n++) await link.request(blobRequests.stat, { ...PLACE, digest: madeUp() }, soon())
  assert.equal(registry.requests - requests, 10)
})

test('127 layers, and 64 images with their signatures looked for, are no more than a host may ask', async (t) => {
  const names = Array.from({ length: 64 }, (_, n) => `v${n}`)
  const { image, member } = await scene(t, 127, names)
  const link = await member()
  for (const { digest } of image.layers) {
    assert.equal((await link.request(blobRequests.stat, { ...PLACE, digest }, soon())).kind, 'stat')
  }
  for (const name of names) {
    const asked = [name, `${name}.sig`, `${name}.att`, `${name}.sbom`].map((tag) =>
      link.request(blobRequests.manifest, { ...PLACE, target: { kind: 'tag', tag } }, soon()),
    )
    const [there, ...missing] = await Promise.all(asked)
    assert.equal(there!.kind, 'manifest')
    for (const answer of missing) assert.ok(answer.kind === 'refused' && answer.reason === 'unknown')
  }
})

test("a local client's flood of made-up blobs costs the origin so many requests, and images go on being pulled", async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 128 * 64, layerCount: 127 })
  const registry = await Registry.start(t, image, ['v1'])
  // no cache: what clients ask for goes from this host to the origin
  const host = await fleet.start({ upstreams: [registry.upstream()] })
  const flood = 1_600
  const began = performance.now()
  const statuses = new Map<number, number>()
  for (let asked = 0; asked < flood; asked += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        const { status } = await host.get(UP, `team/app/blobs/${madeUp()}`)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }),
    )
  }
  assert.deepEqual([...statuses], [[404, flood]])
  assert.ok(registry.requests > 1_000, `${registry.requests} requests: clients may ask for more than that`)
  // those under way are not counted yet, some come back each second, and a question may be asked by HEAD and GET
  const most = 1_024 + 2 * AT_ONCE + (16 * (performance.now() - began)) / 1_000
  assert.ok(registry.requests <= most, `${registry.requests} requests for ${flood} blobs that do not exist`)
  await host.pull(UP, 'team/app', 'v1', image)
})
