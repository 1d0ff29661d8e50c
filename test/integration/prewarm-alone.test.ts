import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PrewarmView } from '../../src/prewarm/index.ts'
import { tryPrewarm } from '../support/ask-prewarm.ts'
import { contentBytes } from '../support/content-bytes.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { assertOneCopy } from '../support/one-copy.ts'

const MIB = 1024 * 1024

async function ask(host: TestNode, path: string, body?: unknown): Promise<{ status: number; json: PrewarmView }> {
  const { status, body: json } = await tryPrewarm(host, path, body === undefined ? {} : { method: 'POST', body })
  return { status, json: json as PrewarmView } // the server's own JSON
}

function done(host: TestNode, id: string): Promise<PrewarmView | undefined> {
  return eventually('the job has ended', async () => {
    const { json } = await ask(host, `/${id}`)
    return json.state === 'running' ? undefined : json
  })
}

test('a host without caches coordinates for itself, and is the one host of its jobs', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 2 })
  const path = await fleet.push('origin', 'team/app', '1', image)
  const host = await fleet.start({ upstreams: [directoryUpstream('registry.test', path)] })
  const begun = await ask(host, '', { images: ['team/app:1'] })
  assert.equal(begun.status, 201)
  const end = await done(host, begun.json.id)
  assert.deepEqual([end?.state, end?.hosts.total, end?.hosts.ready], ['done', 1, 1])
  assert.equal(end?.bytes.origin, end?.bytes.total, 'what it reads as its own tier counts once')
  assert.equal(end?.images[0]?.reference, 'registry.test/team/app:1', 'a name is completed as the host means it')
  const requests = await host.originRequests('blob')
  await host.pull('registry.test', 'team/app', '1', image)
  assert.equal(await host.originRequests('blob'), requests)
})

test('the same request with the same id is the same job', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: MIB, layerCount: 1 })
  const path = await fleet.push('origin', 'team/app', '1', image)
  const { agents } = await fleet.region({ upstreams: [directoryUpstream('registry.test', path)] }, 2)
  const id = 'chosen-0001'
  const both = await Promise.all(agents.map((host) => ask(host, '', { images: ['registry.test/team/app:1'], id })))
  assert.deepEqual(
    both.map(({ json }) => json.id),
    [id, id],
  )
  await done(agents[0]!, id)
  const { json } = await ask(agents[1]!, '')
  assert.equal((json as unknown as { jobs: unknown[] }).jobs.length, 1)
})

test('images that share layers move them once', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 4 * MIB, layerCount: 2 })
  await fleet.push('origin', 'team/app', '1', image)
  const path = await fleet.push('origin', 'team/other', '2', image)
  const { cache, agents } = await fleet.region({ upstreams: [directoryUpstream('registry.test', path)] }, 1)
  const images = ['registry.test/team/app:1', 'registry.test/team/other:2']
  const { json } = await ask(agents[0]!, '', { images })
  const end = await done(agents[0]!, json.id)
  const size = contentBytes(image)
  assert.deepEqual(
    [end?.state, end?.bytes.perHost, end?.images.map(({ bytes }) => bytes)],
    ['done', size, [size, size]],
  )
  assertOneCopy(await cache.received('origin'), size)
  for (const repository of ['team/app', 'team/other']) {
    const before = await cache.originRequests('blob')
    assert.equal(
      await agents[0]!.blobDigest('registry.test', repository, image.layers[0]!.digest),
      image.layers[0]!.digest,
    )
    assert.equal(await cache.originRequests('blob'), before)
  }
})

test('a hundred images are one job', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: MIB, layerCount: 1 })
  const tags = Array.from({ length: 100 }, (_, i) => `v${i}`)
  let path = ''
  for (const tag of tags) path = await fleet.push('origin', 'team/app', tag, image)
  const { cache, agents } = await fleet.region({ upstreams: [directoryUpstream('registry.test', path)] }, 1)
  const { status, json } = await ask(agents[0]!, '', { images: tags.map((tag) => `registry.test/team/app:${tag}`) })
  assert.equal(status, 201, JSON.stringify(json))
  const end = await done(agents[0]!, json.id)
  assert.deepEqual([end?.state, end?.images.length, end?.bytes.perHost], ['done', 100, contentBytes(image)])
  const { json: listed } = await ask(cache, `/${json.id}`)
  assert.equal(listed.images.at(-1)?.reference, 'registry.test/team/app:v99')
})

test('a region whose parent is not there coordinates its own jobs', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: MIB, layerCount: 1 })
  const path = await fleet.push('origin', 'team/app', '1', image)
  const upstreams = [directoryUpstream('registry.test', path)]
  const core = await fleet.start({ role: 'cache', region: 'core', upstreams })
  const parent = { region: 'core', caches: [core] }
  const cache = await fleet.start({ role: 'cache', region: 'edge', parent, upstreams })
  const agent = await fleet.start({ region: 'edge', caches: [cache], upstreams })
  await core.node[Symbol.asyncDispose]()
  const { status, json } = await ask(agent, '', { images: ['registry.test/team/app:1'] })
  assert.equal(status, 201, JSON.stringify(json))
  const end = await done(agent, json.id)
  assert.deepEqual([end?.state, end?.regions.map(({ region }) => region)], ['done', ['edge']])
})

test('a runtime that does not answer fails the first wave, and the others never begin', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: MIB, layerCount: 1 })
  const path = await fleet.push('origin', 'team/app', '1', image)
  const upstreams = [directoryUpstream('registry.test', path)]
  const socket = join(fleet.directory, 'nobody-listens.sock')
  const { agents } = await fleet.region({ upstreams, prewarm: { docker: { socket } } }, 3)
  const request = { images: ['registry.test/team/app:1'], waves: ['1', '100%'], load: 'docker' }
  const { json } = await ask(agents[0]!, '', request)
  const end = await done(agents[0]!, json.id)
  assert.deepEqual([end?.state, end?.hosts.failed, end?.hosts.waiting], ['failed', 1, 2], JSON.stringify(end))
  assert.match(end?.reason ?? '', /failure budget/)
  assert.deepEqual([end?.reasons[0]?.count, end?.reasons[0]?.hosts.length], [1, 1])
  assert.match(end?.reasons[0]?.reason ?? '', /nobody-listens\.sock/)
})
