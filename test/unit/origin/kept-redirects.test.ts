import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { AccessMode, Origin } from '../../../src/origin/index.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import type { TestServer } from './fixtures.ts'
import { deps, never, readAll, sampleRepository, serveBytes, startServer } from './fixtures.ts'

const { repository, blob, blobDigest, configDigest, config } = sampleRepository()
const size = blob.length
const STEP = 10_000

type Answer = (request: IncomingMessage, response: ServerResponse) => void

interface Redirecting {
  readonly origin: Origin
  readonly registry: TestServer
  readonly storage: TestServer
  /** What the storage does instead of serving. */
  refuse: Answer | undefined
  ranges(count: number): Promise<void>
}

/** A registry that signs a new link to its storage for each question. */
async function redirecting(t: TestContext, access: AccessMode = 'node'): Promise<Redirecting> {
  const storage = await startServer(t, (request, response) => {
    const bytes = request.url?.includes(configDigest) ? config : blob
    if (it.refuse === undefined) serveBytes(request, response, bytes)
    else it.refuse(request, response)
  })
  const registry = await startServer(t, (request, response) => {
    if (request.url === '/v2/') return void response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end()
    const name = request.url?.split('/').at(-1)
    const location = `${storage.url}/${name}?signature=${registry.requests.length}`
    response.writeHead(307, { location, 'docker-distribution-api-version': 'registry/2.0' }).end()
  })
  const credentials = { username: 'robot', password: 's3cret' }
  const settings = { kind: 'registry', url: registry.url, access } as const
  const origin = openOrigin(access === 'node' ? { ...settings, credentials } : settings, deps)
  t.after(() => origin[Symbol.asyncDispose]())
  const ranges = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const range = { start: i * STEP, end: (i + 1) * STEP }
      const authorization = access === 'passthrough' ? 'Bearer of-a-client' : undefined
      const query = { repository, digest: blobDigest, size, range, signal: never, authorization }
      assert.ok((await readAll(await origin.readBlob(query))).equals(blob.subarray(range.start, range.end)))
    }
  }
  const it: Redirecting = { origin, registry, storage, refuse: undefined, ranges }
  return it
}

/** Questions about blobs: what the registry asks of everybody is looked up once beside them. */
const blobQuestions = ({ registry }: Redirecting): number => {
  return registry.requests.filter(({ url }) => url?.includes('/blobs/')).length
}

test('a signed link serves every range of its blob, and nothing secret goes there', async (t) => {
  const it = await redirecting(t)
  await it.ranges(20)
  assert.equal(blobQuestions(it), 1)
  assert.equal(it.storage.requests.length, 20)
  for (const { headers } of it.storage.requests) assert.equal(headers.authorization, undefined)
})

test('ranges of one blob that begin together wait for one link', async (t) => {
  const it = await redirecting(t)
  await it.origin.readBlob({
    repository,
    digest: configDigest,
    size: config.length,
    range: { start: 0, end: config.length },
    signal: never,
  })
  await Promise.all([it.ranges(1), it.ranges(2), it.ranges(3)])
  assert.equal(blobQuestions(it), 2)
})

test('a size is asked of the registry by HEAD; the link that a GET is led by is kept for the GETs', async (t) => {
  const it = await redirecting(t)
  assert.deepEqual(await it.origin.statBlob({ repository, digest: blobDigest, signal: never }), { size })
  await it.ranges(2)
  assert.deepEqual(
    it.registry.requests.filter(({ url }) => url?.includes('/blobs/')).map(({ method }) => method),
    ['HEAD', 'GET'],
  )
  assert.ok(it.storage.requests.every(({ method }) => method === 'GET'))
})

for (const status of [401, 403, 404, 410, 500]) {
  test(`a link that the storage answers with ${status} is replaced, once`, async (t) => {
    const it = await redirecting(t)
    await it.ranges(1)
    const old = it.storage.requests[0]?.url
    it.refuse = (request, response) => {
      if (request.url === old) response.writeHead(status).end()
      else serveBytes(request, response, blob)
    }
    await it.ranges(5)
    assert.equal(blobQuestions(it), 2)
  })
}

test('a storage that refuses every link costs the registry one more question a read', async (t) => {
  const it = await redirecting(t)
  await it.ranges(1)
  it.refuse = (_, response) => void response.writeHead(404).end()
  const query = { repository, digest: blobDigest, size, range: { start: 0, end: STEP }, signal: never }
  assert.equal(await it.origin.readBlob(query), undefined)
  assert.equal(blobQuestions(it), 2)
})

test('a storage that asks for less is not gone round', async (t) => {
  const it = await redirecting(t)
  await it.ranges(1)
  it.refuse = (_, response) => void response.writeHead(503, { 'retry-after': '1' }).end()
  const query = { repository, digest: blobDigest, size, range: { start: 0, end: STEP }, signal: never }
  await assert.rejects(async () => it.origin.readBlob(query), { code: 'ORIGIN_THROTTLED' })
  assert.equal(blobQuestions(it), 1)
})

test('what one client is led to is not for others, or for itself without asking', async (t) => {
  const it = await redirecting(t, 'passthrough')
  await it.ranges(3)
  assert.equal(blobQuestions(it), 3)
})
