import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { refused } from '../../src/base/outcome.ts'
import type { BlobFile } from '../../src/demo/index.ts'
import { rankHomes } from '../../src/scheduler/index.ts'
import type { PeerLink, Response } from '../../src/swarm/index.ts'
import type { RangeRequest } from '../../src/transfer/index.ts'
import { transferMessages } from '../../src/transfer/index.ts'
import { eventually } from '../support/eventually.ts'
import { FakeRegistry } from '../support/fake-registry.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'
import { soon, TestFleet } from './swarm-support.ts'

const UP = 'registry.corp'
const KIB = 1024
const MIB = 1024 * KIB
const START = 5 * MIB + 17
const HALF = 32 * KIB
/** Parts of one request that are asked for ahead of the one that is read. */
const AHEAD = 8
const RANGE = { first: START, last: START + 2 * HALF - 1 }

interface Setup {
  readonly fleet: NodeFleet
  readonly registry: FakeRegistry
  readonly layer: BlobFile
  readonly bytes: Buffer
  /** The range that the tests read. */
  readonly part: Buffer
}

async function setup(t: TestContext): Promise<Setup> {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 12 * MIB, layerCount: 1 })
  const registry = await FakeRegistry.start(t, image)
  const layer = image.layers[0]!
  const bytes = await readFile(layer.path)
  return { fleet, registry, layer, bytes, part: bytes.subarray(RANGE.first, RANGE.last + 1) }
}

/** The registry sends half of the range, and the rest once that is let go. */
function halt({ registry, part, bytes }: Setup, t: TestContext): () => void {
  const gate = Promise.withResolvers<void>()
  t.after(() => gate.resolve())
  registry.hook = async ({ kind, method, range }, response) => {
    if (kind !== 'blob' || method !== 'GET' || range !== `bytes=${RANGE.first}-${RANGE.last}`) return false
    const place = { 'content-range': `bytes ${RANGE.first}-${RANGE.last}/${bytes.length}` }
    response.writeHead(206, { 'content-length': part.length, ...place })
    response.write(part.subarray(0, HALF))
    await gate.promise
    response.end(part.subarray(HALF))
    return true
  }
  return () => gate.resolve()
}

/** Reads the range, and says how much of it has come so far. */
async function reading(
  host: TestNode,
  { digest }: BlobFile,
): Promise<{ readonly had: () => number; readonly all: Promise<Buffer> }> {
  const range = `bytes=${RANGE.first}-${RANGE.last}`
  let answer = await host.get(UP, `team/app/blobs/${digest}`, { range })
  // on a busy machine a mirror may have no answer in time, and says so: a runtime comes again
  while (answer.status === 404) answer = await host.get(UP, `team/app/blobs/${digest}`, { range })
  assert.equal(answer.status, 206)
  const chunks: Uint8Array[] = []
  const read = async (): Promise<Buffer> => {
    for await (const chunk of answer.body ?? []) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
  return { had: () => chunks.reduce((sum, { length }) => sum + length, 0), all: read() }
}

function rangesAsked({ registry, layer }: Setup): (string | undefined)[] {
  return registry.asked
    .filter(({ target, method }) => target === layer.digest && method === 'GET')
    .map(({ range }) => range)
}

interface OwnHome extends Setup {
  /** The other cache, a real one. */
  readonly cache: TestNode
  readonly agent: TestNode
  /** How often the range was asked of the test's own cache. */
  readonly asked: () => number
}

/** A cache of the test's own that is home of the layer, beside a real one. `answer`: to the range, over the agent's link. */
async function withOwnHome(
  t: TestContext,
  answer: (link: PeerLink, asked: RangeRequest, world: Setup) => Promise<Response>,
): Promise<OwnHome> {
  const world = await setup(t)
  const upstreams = [world.registry.upstream(UP)]
  const cache = await world.fleet.start({ role: 'cache', upstreams })
  const members = await TestFleet.create()
  t.after(() => members[Symbol.asyncDispose]())
  for (;;) {
    const home = await members.host({ region: 'default', role: 'cache' })
    const { key, rank } = home.swarm.self
    let asked = 0
    home.events.answer = async (name, body, signal) => {
      if (name !== 'range') return refused('unavailable', 'nothing else is known here')
      asked++
      const gone = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      const link = home.events.linkedPeers.at(-1)!
      return Promise.race([gone, answer(link, body as RangeRequest, world)]) // parsed by the request's own schema
    }
    const { peer } = await home.swarm.connectAddress(cache.peerAddress, soon())
    const rankOf = (host: string): string | undefined => (host === key ? rank : peer.rank)
    if (rankHomes(world.layer.digest, [key, peer.key], rankOf)[0] !== key) continue
    const agent = await world.fleet.start({ upstreams, caches: [cache, { peerAddress: home.address }] })
    await eventually('both caches are linked', () => home.events.linkedPeers.length > 1)
    await agent.manifest(UP, 'team/app', 'v1')
    return { ...world, cache, agent, asked: () => asked }
  }
}

describe('a range of a layer that nobody has', () => {
  test('goes on as it comes: what the origin has sent is with the runtime before the rest is sent', async (t) => {
    const world = await setup(t)
    const { fleet, registry, layer, part } = world
    const letGo = halt(world, t)
    const upstreams = [registry.upstream(UP)]
    const core = await fleet.start({ role: 'cache', region: 'core', upstreams })
    const parent = { region: 'core', caches: [core] }
    const cache = await fleet.start({ role: 'cache', region: 'edge', parent, upstreams })
    const agents = [1, 2].map(() => fleet.start({ region: 'edge', caches: [cache], parent, upstreams }))
    const reads = await Promise.all((await Promise.all(agents)).map((agent) => reading(agent, layer)))
    for (const { had } of reads) await eventually('half of it', () => had() >= HALF)
    letGo()
    for (const { all } of reads) assert.deepEqual(await all, part)
    assert.equal(rangesAsked(world).filter((range) => range === `bytes=${RANGE.first}-${RANGE.last}`).length, 1)
  })

  test('goes on as pieces where its origin stops in the middle', async (t) => {
    const world = await setup(t)
    const { fleet, registry, layer, part } = world
    halt(world, t)
    const { agents } = await fleet.region({ upstreams: [registry.upstream(UP)] }, 1)
    const { all } = await reading(agents[0]!, layer)
    assert.deepEqual(await all, part)
  })

  test('is asked of the other home from where the first has left it, whatever else came over its link', async (t) => {
    const world = await withOwnHome(t, async (link, { stream = 0, start }, { part }) => {
      // under a number that nobody has asked with
      link.send(transferMessages.rangeBytes, { id: stream + 1, bytes: new Uint8Array(HALF) })
      link.send(transferMessages.rangeBytes, { id: stream, bytes: part.subarray(start - START, HALF) })
      await new Promise((resolve) => setTimeout(resolve, 50))
      link.close('it dies')
      return new Promise<never>(() => {})
    })
    const { all } = await reading(world.agent, world.layer)
    assert.deepEqual(await all, world.part)
    assert.equal(world.asked(), 1)
    assert.ok(rangesAsked(world).includes(`bytes=${START + HALF}-${RANGE.last}`), 'the rest alone is read')
  })

  test('comes whole in the answer of a home that sends no streams', async (t) => {
    const world = await withOwnHome(t, async (_link, { start }, { part }) => {
      return { kind: 'inline', bytes: part.subarray(start - START) }
    })
    const { all } = await reading(world.agent, world.layer)
    assert.deepEqual(await all, world.part)
    assert.equal(world.asked(), 1)
    assert.deepEqual(rangesAsked(world), [])
  })

  test('comes from elsewhere while a runtime waits where its home says nothing', async (t) => {
    const world = await withOwnHome(t, () => new Promise(() => {}))
    const { all } = await reading(world.agent, world.layer)
    assert.deepEqual(await all, world.part)
    assert.equal(world.asked(), 1)
  })

  test('comes by itself, as all others of one request do, so many at a time', async (t) => {
    const world = await setup(t)
    const { fleet, registry, layer, bytes } = world
    const turn = Promise.withResolvers<void>()
    let [now, most] = [0, 0]
    registry.hook = async ({ range }) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
      // pieces are given to nobody
      if (last === undefined || Number(last) - Number(first) > 64 * KIB) return last !== undefined
      most = Math.max(most, ++now)
      if (now === AHEAD) turn.resolve()
      // the first is read before any other is asked for
      if (first !== '0') await turn.promise
      now--
      return false
    }
    const { agents } = await fleet.region({ upstreams: [registry.upstream(UP)] }, 1)
    const places = Array.from({ length: 64 }, (_, i) => Math.floor(((i * 0.618034) % 1) * (bytes.length - 1024)))
    const range = `bytes=${places.map((at) => `${at}-${at + 999}`).join(',')}`
    const answer = await agents[0]!.get(UP, `team/app/blobs/${layer.digest}`, { range })
    assert.equal(answer.status, 206)
    assert.match(answer.headers.get('content-type') ?? '', /^multipart\/byteranges/)
    const body = Buffer.from(await answer.arrayBuffer())
    let from = 0
    for (const at of places) {
      const found = body.indexOf(bytes.subarray(at, at + 1000), from)
      assert.ok(found >= from, `${at}`)
      from = found
    }
    assert.equal(most, AHEAD, 'so many are read at a time')
  })

  test('is read again after a purge, which does not wait for a layer of which only parts were read', async (t) => {
    const world = await setup(t)
    const { fleet, registry, layer, part } = world
    const { cache } = await fleet.region({ upstreams: [registry.upstream(UP)] }, 0)
    const timesRead = (): number =>
      rangesAsked(world).filter((range) => range === `bytes=${RANGE.first}-${RANGE.last}`).length
    const read = async (): Promise<void> => assert.deepEqual(await (await reading(cache, layer)).all, part)
    await cache.manifest(UP, 'team/app', 'v1')
    await read()
    await read()
    assert.equal(timesRead(), 1, 'the same bytes serve who asks next')
    const own = ['--admin', cache.adminUrl, '--token-file', join(cache.storeDir, 'admin.token')]
    const { code, stderr } = await runCommand(['purge', `${UP}/team/app:v1`, ...own])
    assert.equal(code, 0, stderr)
    await read()
    assert.equal(timesRead(), 2)
  })
})
