import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { openOriginChain } from '../../../src/origin/index.ts'
import type { TestServer } from './fixtures.ts'
import { deps, never, readAll, sampleRepository, serveBytes, startServer } from './fixtures.ts'

const { repository, blob, blobDigest } = sampleRepository()
const size = blob.length
const range = { start: 1000, end: 5000 }

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    void response.writeHead(code, headers).end()

const part =
  (headers: Record<string, string>, end = range.end): Answer =>
  (_, response) =>
    void response.writeHead(206, headers).end(blob.subarray(range.start, end))

/** What gateways, proxies and storage say to a range although they would give the whole. */
const REFUSALS: Readonly<Record<string, Answer>> = {
  '400': status(400),
  '403': status(403),
  '404 of nobody in particular': status(404),
  '405': status(405),
  '416': status(416),
  '501': status(501),
  '503': status(503),
  '206 that does not say which part': part({}),
  '206 of less than was asked for': part({ 'content-range': `bytes 1000-1999/${size}` }, 2000),
  '206 in several parts': part({ 'content-type': 'multipart/byteranges; boundary=B' }),
}

async function reading(t: TestContext, answer: Answer): Promise<{ server: TestServer; read: () => Promise<string> }> {
  const server = await startServer(t, answer)
  const origins = [{ kind: 'registry', url: server.url }] as const
  const chain = openOriginChain({ name: 'up', access: 'public', origins }, deps)
  t.after(() => chain[Symbol.asyncDispose]())
  const read = async (): Promise<string> => {
    let isWhole = false
    const onWhole = (): void => {
      isWhole = true
    }
    const bytes = await readAll(
      await chain.readBlob({ repository, digest: blobDigest, size, range, signal: never, onWhole }),
    )
    const expected = isWhole ? blob : blob.subarray(range.start, range.end)
    return bytes.equals(expected) ? (isWhole ? 'whole' : 'range') : 'wrong bytes'
  }
  return { server, read }
}

describe('a registry that refuses a range and gives the whole', () => {
  for (const [name, refuse] of Object.entries(REFUSALS)) {
    it(`${name}: is asked without one, and from then on at once`, async (t) => {
      const { server, read } = await reading(t, (request, response) => {
        if (request.headers.range === undefined) serveBytes(request, response, blob)
        else refuse(request, response)
      })
      assert.equal(await read(), 'whole')
      assert.equal(await read(), 'whole')
      const asked = server.requests.map(({ headers }) => headers.range)
      assert.deepEqual(asked, ['bytes=1000-4999', undefined, undefined])
    })
  }

  it('but not after it has answered one: what it refuses then is not for the range', async (t) => {
    let answer: Answer = (request, response) => serveBytes(request, response, blob)
    const { server, read } = await reading(t, (request, response) => answer(request, response))
    assert.equal(await read(), 'range')
    answer = status(403)
    await assert.rejects(read(), { code: 'ORIGIN_UNREACHABLE' })
    assert.equal(server.requests.length, 2)
  })

  for (const [name, refuse] of Object.entries({
    'a server in trouble': status(500),
    'an overloaded one that says when to come back': status(503, { 'retry-after': '1' }),
    'its own no': status(404, { 'docker-distribution-api-version': 'registry/2.0' }),
  })) {
    it(`but not ${name}`, async (t) => {
      const { server, read } = await reading(t, refuse)
      await assert.rejects(read())
      assert.equal(server.requests.length, 1)
    })
  }
})
