import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import type { BlobFile } from '../../src/demo/index.ts'
import type { PeerLink } from '../../src/swarm/index.ts'
import { transferRequests } from '../../src/transfer/index.ts'
import { eventually } from '../support/eventually.ts'
import { FakeRegistry } from '../support/fake-registry.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { NodeFleet } from '../support/node-fleet.ts'
import { soon, TestFleet } from './swarm-support.ts'

const UP = 'registry.corp'
const KIB = 1024
const MIB = 1024 * KIB
const HOSTS_TOGETHER = 12

interface Setup {
  readonly registry: FakeRegistry
  readonly layer: BlobFile
  readonly bytes: Buffer
  readonly cache: TestNode
  readonly agents: TestNode[]
}

/** An origin that answers the ranges of parts only: whoever waits for the whole waits until `open` is called. */
async function setup(
  t: TestContext,
  agents: number,
  sizeBytes = 12 * MIB,
): Promise<Setup & { readonly open: () => void }> {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes, layerCount: 1 })
  const registry = await FakeRegistry.start(t, image)
  const layer = image.layers[0]!
  const gate = Promise.withResolvers<void>()
  registry.hook = async ({ target, range, method }) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
    const isPart = last !== undefined && Number(last) - Number(first) < 512 * KIB
    if (method === 'GET' && target === layer.digest && !isPart) await gate.promise
    return false
  }
  t.after(() => gate.resolve())
  const upstreams = [registry.upstream(UP)]
  const region = await fleet.region({ upstreams }, agents)
  const bytes = await readFile(layer.path)
  return { registry, layer, bytes, ...region, open: () => gate.resolve() }
}

async function part(node: TestNode, { digest }: BlobFile, range: string): Promise<Buffer> {
  const answer = await node.get(UP, `team/app/blobs/${digest}`, { range })
  assert.equal(answer.status, 206)
  return Buffer.from(await answer.arrayBuffer())
}

describe('parts of a layer that nobody has', () => {
  test('come while nothing else of it does: footer, contents, and a file in the middle', async (t) => {
    const { layer, bytes, agents, cache } = await setup(t, 1)
    const agent = agents[0]!
    await agent.manifest(UP, 'team/app', 'v1')
    const size = bytes.length
    assert.deepEqual(await part(agent, layer, 'bytes=-51'), bytes.subarray(-51))
    assert.deepEqual(await part(agent, layer, `bytes=${size - 60 * KIB}-${size - 52}`), bytes.subarray(-60 * KIB, -51))
    const middle = size / 2
    assert.deepEqual(
      await part(agent, layer, `bytes=${middle}-${middle + 65_535}`),
      bytes.subarray(middle, middle + 65_536),
    )
    assert.equal(await agent.originRequests(), 0)
    assert.ok((await cache.received('origin')) <= 5 * 128 * KIB)
  })

  test('cost the origin one copy, whoever asks, and the whole comes once somebody wants it', async (t) => {
    const { layer, bytes, cache, agents, registry, open } = await setup(t, 3)
    const places = [0.9, 0.1, 0.5, 0.7].map((share) => Math.floor(share * bytes.length))
    for (const at of places) {
      const parts = await Promise.all(agents.map((agent) => part(agent, layer, `bytes=${at}-${at + 4095}`)))
      for (const received of parts) assert.deepEqual(received, bytes.subarray(at, at + 4096))
    }
    const isBehind = async (): Promise<boolean> => (await cache.received('origin')) >= places.length * 128 * KIB
    await eventually('their pieces are there', isBehind)
    const isOfPart = ({ range }: { range?: string | undefined }): boolean => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
      return places.some(
        (at) => Number(first) <= at && Number(last) >= at + 4095 && Number(last) < Number(first) + 256 * KIB,
      )
    }
    const others = registry.asked.filter((ask) => ask.kind === 'blob' && ask.method === 'GET' && !isOfPart(ask))
    assert.deepEqual(others, [], 'nothing else of it is read')
    open()
    const pulled = await Promise.all(agents.map((agent) => agent.blobDigest(UP, 'team/app', layer.digest)))
    assert.deepEqual(
      pulled,
      agents.map(() => layer.digest),
    )
    // of ranges that are given up on a busy machine some is on its way; three hosts for themselves would read three copies
    assert.ok((await cache.received('origin')) <= 2.5 * layer.size)
    assert.ok(registry.sentBytes <= 2.5 * layer.size, `${registry.sentBytes}`)
  })

  test('of a host on its own come before the whole, several in one request', async (t) => {
    const { layer, bytes, cache } = await setup(t, 0)
    const size = bytes.length
    const answer = await cache.get(UP, `team/app/blobs/${layer.digest}`, {
      range: `bytes=0-9,${size / 2}-${size / 2 + 9},-10`,
    })
    assert.equal(answer.status, 206)
    const body = Buffer.from(await answer.arrayBuffer())
    for (const at of [0, size / 2, size - 10]) assert.ok(body.includes(bytes.subarray(at, at + 10)), `${at}`)
  })

  test('come by themselves where they are small: before their pieces, once for all hosts', async (t) => {
    const { layer, bytes, cache, agents, registry } = await setup(t, 3)
    await Promise.all(agents.map((agent) => agent.manifest(UP, 'team/app', 'v1')))
    const at = Math.floor(bytes.length / 3)
    const range = `bytes=${at}-${at + 65_535}`
    const answer = registry.hook
    registry.hook = (ask, response) => {
      // nothing else of it is given, ever
      return ask.kind === 'blob' && ask.method === 'GET' && ask.range !== range ? true : answer(ask, response)
    }
    const parts = await Promise.all(agents.map((agent) => part(agent, layer, range)))
    for (const received of parts) assert.deepEqual(received, bytes.subarray(at, at + 65_536))
    assert.equal(registry.asked.filter((ask) => ask.range === range).length, 1)
    assert.equal(await cache.received('origin'), 65_536)
    assert.deepEqual(await part(cache, layer, range), bytes.subarray(at, at + 65_536))
  })

  test('cost the origin one copy of what is read, however many hosts read it, and whenever', async (t) => {
    const { registry, layer, bytes, cache } = await setup(t, 0)
    const members = await TestFleet.create()
    t.after(() => members[Symbol.asyncDispose]())
    const places = [0.9, 0.1, 0.5, 0.7].map((share) => Math.floor(share * bytes.length))
    const links: PeerLink[] = []
    while (links.length < 2 * HOSTS_TOGETHER) {
      const { swarm } = await members.host({ region: 'default' })
      links.push(await swarm.connectAddress(cache.peerAddress, soon()))
    }
    const read = async (link: PeerLink): Promise<void> => {
      for (const start of places) {
        const ask = { upstream: UP, repository: 'team/app', digest: layer.digest, size: layer.size }
        const answer = await link.request(transferRequests.range, { ...ask, start, end: start + 4096 }, soon())
        assert.deepEqual(answer.kind === 'inline' && Buffer.from(answer.bytes), bytes.subarray(start, start + 4096))
      }
    }
    const asked = (): (string | undefined)[] =>
      registry.asked.filter(({ kind, method }) => kind === 'blob' && method === 'GET').map(({ range }) => range)
    await Promise.all(links.slice(HOSTS_TOGETHER).map(read))
    for (const at of places) assert.equal(asked().filter((range) => range === `bytes=${at}-${at + 4095}`).length, 1)
    const all = places.length * (4096 + 128 * KIB)
    await eventually('their pieces are there', async () => (await cache.received('origin')) >= all)
    const before = asked()
    await Promise.all(links.slice(0, HOSTS_TOGETHER).map(read))
    assert.deepEqual(asked(), before)
  })

  test('bring the whole where each goes on where another ended: that is read by who wants it all', async (t) => {
    const { layer, bytes, cache, agents, open } = await setup(t, 1)
    open()
    for (const at of [0, 64 * KIB, 128 * KIB]) {
      const range = `bytes=${at}-${at + 64 * KIB - 1}`
      assert.deepEqual(await part(agents[0]!, layer, range), bytes.subarray(at, at + 64 * KIB))
    }
    await eventually('all of it is there', async () => (await cache.received('origin')) >= layer.size)
  })

  test('are proven by the digest first where the whole is one piece', async (t) => {
    const { layer, bytes, agents, registry } = await setup(t, 1, 100 * KIB)
    let wrongAnswers = 1
    registry.hook = ({ target, range, method }, response) => {
      if (target !== layer.digest || method !== 'GET' || wrongAnswers-- <= 0) return false
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
      const wrong = Buffer.alloc(Number(last ?? bytes.length - 1) - Number(first ?? 0) + 1, 1)
      const head = { 'content-length': wrong.length, 'content-range': `bytes ${first}-${last}/${bytes.length}` }
      response.writeHead(range === undefined ? 200 : 206, head).end(wrong)
      return true
    }
    assert.deepEqual(await part(agents[0]!, layer, 'bytes=1000-1999'), bytes.subarray(1_000, 2_000))
    assert.equal(wrongAnswers < 1, true, 'the wrong bytes were given')
  })

  test('come as pieces from an origin that sends the whole where a range is asked for', async (t) => {
    const { layer, bytes, agents, registry, open } = await setup(t, 1)
    registry.ignoresRange = true
    open()
    assert.deepEqual(await part(agents[0]!, layer, 'bytes=1000-1999'), bytes.subarray(1_000, 2_000))
  })

  test('do not start the other layers of its image', async (t) => {
    const { layer, agents, registry } = await setup(t, 1)
    await agents[0]!.manifest(UP, 'team/app', 'v1')
    await part(agents[0]!, layer, 'bytes=-51')
    assert.deepEqual(
      [...new Set(registry.asked.filter(({ kind }) => kind === 'blob').map(({ target }) => target))],
      [layer.digest],
    )
  })

  test('are still followed by the last piece only when the whole is proven, for who names no end', async (t) => {
    const { layer, bytes, cache, agents, open } = await setup(t, 1)
    assert.deepEqual(await part(agents[0]!, layer, 'bytes=5-9'), bytes.subarray(5, 10))
    await eventually('its piece is there', async () => (await cache.received('origin')) >= 128 * KIB)
    const answer = await agents[0]!.get(UP, `team/app/blobs/${layer.digest}`, { range: `bytes=${bytes.length - 10}-` })
    assert.equal(answer.status, 206)
    let isHere = false
    const tail = answer.arrayBuffer().then((buffer) => {
      isHere = true
      return Buffer.from(buffer)
    })
    assert.deepEqual(await part(agents[0]!, layer, 'bytes=-10'), bytes.subarray(-10))
    assert.equal(isHere, false)
    open()
    await eventually('the tail', () => isHere)
    assert.deepEqual(await tail, bytes.subarray(-10))
  })
})
