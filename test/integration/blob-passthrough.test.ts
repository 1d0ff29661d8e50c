import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { BlobFile, BuiltImage } from '../../src/demo/index.ts'
import { Bitfield } from '../../src/piece/bitfield.ts'
import { PieceLayout } from '../../src/piece/piece-layout.ts'
import { transferMessages } from '../../src/transfer/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { NodeFleet } from '../support/node-fleet.ts'
import { TestFleet } from './swarm-support.ts'

const UP = 'private.test'
const CHALLENGE = 'Bearer realm="https://auth.private.test/token",service="private.test"'
const ALICE = { authorization: 'Bearer alice' }

interface PrivateRegistry {
  readonly url: string
  /** What was asked, with whose proof. */
  readonly asked: { readonly path: string; readonly authorization: string | undefined }[]
  /** While set, blobs stop after their first byte. */
  held: Promise<void> | undefined
}

/** A registry that lets Alice in and nobody else. */
async function startRegistry(t: TestContext, image: BuiltImage): Promise<PrivateRegistry> {
  const registry: PrivateRegistry & { url: string } = { url: '', asked: [], held: undefined }
  const server = createServer((request, response) => {
    const { url, headers } = request
    registry.asked.push({ path: url ?? '', authorization: headers.authorization })
    void answer(image, request, response, registry.held)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  registry.url = `http://127.0.0.1:${address.port}`
  return registry
}

async function answer(
  image: BuiltImage,
  request: IncomingMessage,
  response: ServerResponse,
  held: Promise<void> | undefined,
): Promise<void> {
  if (request.headers.authorization !== ALICE.authorization) {
    response.writeHead(401, { 'www-authenticate': CHALLENGE }).end()
    return
  }
  const [, kind, name] = /^\/v2\/team\/app\/(manifests|blobs)\/(.+)$/.exec(request.url ?? '') ?? []
  const files: readonly BlobFile[] = kind === 'manifests' ? [image.manifest] : [image.config, ...image.layers]
  const file = name === 'v1' ? image.manifest : files.find(({ digest }) => digest === name)
  if (file === undefined) {
    response.writeHead(404, { 'docker-distribution-api-version': 'registry/2.0' }).end()
    return
  }
  const whole = await readFile(file.path)
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
  const bytes = from === undefined ? whole : whole.subarray(Number(from), Number(to) + 1)
  response.writeHead(from === undefined ? 200 : 206, {
    'content-type': kind === 'manifests' ? file.mediaType : 'application/octet-stream',
    'content-length': bytes.length,
    'docker-content-digest': file.digest,
    ...(from === undefined ? {} : { 'content-range': `bytes ${from}-${to}/${whole.length}` }),
  })
  if (request.method === 'HEAD') return void response.end()
  if (held !== undefined && kind === 'blobs') {
    response.write(bytes.subarray(0, 1))
    await held
  }
  response.end(held === undefined || kind !== 'blobs' ? bytes : bytes.subarray(1))
}

test('passthrough: the origin decides for each client, and its challenge is relayed', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 1024 * 1024, layerCount: 1 })
  const registry = await startRegistry(t, image)
  const origins = [{ kind: 'registry', url: registry.url, credentials: null }] as const
  const node = await fleet.start({ upstreams: [{ name: UP, access: 'passthrough', origins }] })
  const layer = image.layers[0]!
  const paths = ['manifests/v1', `manifests/${image.manifest.digest}`, `blobs/${layer.digest}`]
  const refused = async (headers: Record<string, string>): Promise<void> => {
    for (const path of paths) {
      const response = await node.get(UP, `team/app/${path}`, headers)
      await response.arrayBuffer()
      assert.deepEqual([response.status, response.headers.get('www-authenticate')], [401, CHALLENGE], path)
    }
  }
  await refused({})
  await refused({ authorization: 'Bearer mallory' })
  for (const path of paths) {
    const response = await node.get(UP, `team/app/${path}`, ALICE)
    const file = path.startsWith('blobs') ? layer : image.manifest
    assert.ok((await readFile(file.path)).equals(Buffer.from(await response.arrayBuffer())), path)
  }
  // what is on this host's disk now is still nobody's but Alice's
  await refused({})
  await refused({ authorization: 'Bearer mallory' })
  assert.ok(
    registry.asked.every(({ authorization }) => authorization !== ''),
    'an empty proof was sent',
  )
})

test('passthrough content is not given to other hosts of the fleet', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 1024 * 1024, layerCount: 1 })
  const registry = await startRegistry(t, image)
  const origins = [{ kind: 'registry', url: registry.url, credentials: null }] as const
  const { cache, agents } = await fleet.region({ upstreams: [{ name: UP, access: 'passthrough', origins }] }, 2)
  const path = `team/app/blobs/${image.layers[0]!.digest}`
  const alice = await agents[0]!.get(UP, path, ALICE)
  assert.equal((await alice.arrayBuffer()).byteLength, image.layers[0]!.size)
  const stranger = await agents[1]!.get(UP, path)
  assert.equal(stranger.status, 401)
  await stranger.arrayBuffer()
  assert.equal(await cache.originRequests(), 0)
  assert.equal((await agents[0]!.metrics()).sum('shoal_sent_bytes_total', { to: 'peer' }), 0)

  // nor to a member that knows the digest and asks for pieces by it
  assert.deepEqual(await askAsMember(agents[0]!, image.layers[0]!), ['busy', 'leave'])
})

test('passthrough content that is still arriving is refused to a member at once, not with silence', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 1024 * 1024, layerCount: 1 })
  const registry = await startRegistry(t, image)
  const origins = [{ kind: 'registry', url: registry.url, credentials: null }] as const
  const node = await fleet.start({ upstreams: [{ name: UP, access: 'passthrough', origins }] })
  const hold = Promise.withResolvers<void>()
  registry.held = hold.promise
  const layer = image.layers[0]!
  const alice = await node.get(UP, `team/app/blobs/${layer.digest}`, ALICE)
  assert.deepEqual(await askAsMember(node, layer), ['busy', 'leave'])
  registry.held = undefined
  hold.resolve()
  assert.equal((await alice.arrayBuffer()).byteLength, layer.size)
})

/** What a member of the fleet hears that knows a digest, says it wants the blob and asks for a piece. */
async function askAsMember(node: TestNode, { digest, size }: BlobFile): Promise<string[]> {
  await using members = await TestFleet.create()
  const member = await members.host({ region: 'default' })
  const replies: string[] = []
  member.events.onMessage = (_link, message) => replies.push(message.type)
  const link = await member.swarm.connectAddress(node.peerAddress, AbortSignal.timeout(60_000))
  const { count } = new PieceLayout(digest, size)
  link.send(transferMessages.bitfield, { blob: digest, size, bits: new Bitfield(count).toBytes(), queue: 0 })
  link.send(transferMessages.request, { id: 1, blob: digest, piece: 0, background: false })
  // neither message follows another: once there are two, both are there
  await eventually('both messages have an answer', () => replies.length >= 2)
  return replies.sort()
}

test('a public upstream that wants a proof after all is a 404, and nothing private enters the swarm', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 8192, layerCount: 1 })
  const registry = await startRegistry(t, image)
  const origins = [{ kind: 'registry', url: registry.url, credentials: null }] as const
  const { cache, agents } = await fleet.region({ upstreams: [{ name: UP, access: 'public', origins }] }, 1)
  const agent = agents[0]!
  for (const path of ['manifests/v1', `manifests/${image.manifest.digest}`, `blobs/${image.layers[0]!.digest}`]) {
    const response = await agent.get(UP, `team/app/${path}`, ALICE)
    await response.arrayBuffer()
    assert.deepEqual([response.status, response.headers.get('www-authenticate')], [404, null], path)
  }
  // the client's own proof must not travel in the fleet's name
  assert.ok(registry.asked.every(({ authorization }) => authorization !== ALICE.authorization))
  assert.deepEqual(await cache.storedDigests(), [])
})
