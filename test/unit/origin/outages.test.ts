import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, it } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import type { Origin } from '../../../src/origin/index.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import { deps, never, readAll, sampleRepository, startServer } from './fixtures.ts'

const sample = sampleRepository()
const { repository, tag, manifestDigest, configDigest, blobDigest, blob } = sample
const query = { repository, signal: never }
const size = blob.length

type Answer = (request: IncomingMessage, response: ServerResponse) => void

function page(status: number, type: string | undefined, body: string, headers: Record<string, string> = {}): Answer {
  return (request, response) => {
    const told = type === undefined ? {} : { 'content-type': type }
    response.writeHead(status, { ...told, 'content-length': Buffer.byteLength(body), ...headers })
    response.end(request.method === 'HEAD' ? undefined : body)
  }
}

const JSON_FOR_ALL = 'a web application that answers everything with JSON'
const LOGIN = '<!doctype html><title>Sign in</title>'

/** What stands where a registry should be. */
const outages: readonly [what: string, answer: Answer][] = [
  ["an ingress' 404 in HTML", page(404, 'text/html', '<html>default backend - 404</html>')],
  ["an ingress' 404 in plain text", page(404, 'text/plain', 'default backend - 404')],
  ['a 404 without a body', page(404, undefined, '')],
  ["a gateway's 404 in JSON", page(404, 'application/json', '{"message":"no Route matched with those values"}')],
  ["a framework's 404 in JSON", page(404, 'application/json', '{"error":"Not Found","status":404}')],
  ['a 404 with errors of another API', page(404, 'application/json', '{"errors":[{"status":"404","title":"x"}]}')],
  ['a 404 with a list of words', page(404, 'application/json', '{"errors":["not found"]}')],
  ['a 404 with no errors', page(404, 'application/json', '{"errors":[]}')],
  ['a login page', page(200, 'text/html; charset=utf-8', LOGIN)],
  [
    'a login page in chunks',
    (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' })
      response.write(LOGIN)
      response.end()
    },
  ],
  [
    'a redirect to a login page',
    (request, response) => {
      if (request.url?.startsWith('/login')) return page(200, 'text/html', LOGIN)(request, response)
      response.writeHead(302, { location: '/login?next=/' }).end()
    },
  ],
  ["a firewall's 403", page(403, 'text/html', '<html>Request blocked</html>')],
  ["a gateway's 403 in JSON", page(403, 'application/json', '{"message":"Forbidden"}')],
  ["a proxy's 502", page(502, 'text/html', '<html>Bad Gateway</html>')],
  ['a 500 without a body', page(500, undefined, '')],
  ["a maintenance page's 503", page(503, 'text/html', '<html>back soon</html>')],
  ['a parked domain', page(200, 'text/html', '<html>This domain is for sale</html>', { server: 'parking' })],
  [JSON_FOR_ALL, page(200, 'application/json', '{"status":"ok"}')],
  ['an empty 200', page(200, 'application/octet-stream', '')],
  ['a 204', page(204, undefined, '')],
  ['a 410', page(410, 'text/html', 'gone')],
]

const asks: readonly [what: string, ask: (origin: Origin) => Promise<unknown>][] = [
  ['a tag', (origin) => origin.resolveTag({ ...query, tag })],
  ['a tag that is known', (origin) => origin.resolveTag({ ...query, tag, known: { digest: configDigest } })],
  ['a manifest', (origin) => origin.manifest({ ...query, digest: manifestDigest })],
  ["a blob's size", (origin) => origin.statBlob({ ...query, digest: blobDigest })],
  [
    'a blob',
    async (origin) =>
      readAll(await origin.readBlob({ ...query, digest: blobDigest, range: { start: 0, end: size }, size })),
  ],
  [
    'a range',
    async (origin) =>
      readAll(await origin.readBlob({ ...query, digest: blobDigest, range: { start: 10, end: 20 }, size })),
  ],
  ['tags', (origin) => origin.listTags(query)],
]

describe('an outage', () => {
  for (const [what, answer] of outages) {
    it(`(${what}) makes nothing unknown, and is no content`, async (t) => {
      const server = await startServer(t, answer)
      const origin = openOrigin({ kind: 'registry', url: server.url, access: 'public' }, deps)
      t.after(() => origin[Symbol.asyncDispose]())
      for (const [asked, ask] of asks) {
        // a config is JSON, too: only its bytes tell
        if (what === JSON_FOR_ALL && asked === "a blob's size") continue
        await assert.rejects(
          ask(origin),
          (error) => isShoalError(error, 'ORIGIN_UNREACHABLE', 'ORIGIN_THROTTLED', 'ORIGIN_CHANGED'),
          `${asked} of ${what}`,
        )
      }
    })
  }
})

/** What registries say of what they do not have. */
const unknowns: readonly [what: string, answer: Answer][] = [
  [
    'Distribution',
    page(404, 'application/json', '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'),
  ],
  ['Harbor', page(404, 'application/json', '{"errors":[{"code":"NOT_FOUND","message":"artifact not found"}]}')],
  [
    'Quay',
    page(404, 'application/json', '{"errors":[{"code":"NAME_UNKNOWN","detail":{},"message":"repository unknown"}]}\n'),
  ],
  [
    'one that names its API and says nothing',
    page(404, undefined, '', { 'docker-distribution-api-version': 'registry/2.0' }),
  ],
  ['one that sends its document as text', page(404, 'text/plain', '{"errors":[{"code":"BLOB_UNKNOWN"}]}')],
  ['one with its API in a page', page(404, 'text/html', 'no', { 'docker-distribution-api-version': 'registry/2.0' })],
]

describe('a registry that does not have it', () => {
  for (const [what, answer] of unknowns) {
    it(`(${what}) makes it unknown`, async (t) => {
      const server = await startServer(t, answer)
      const origin = openOrigin({ kind: 'registry', url: server.url, access: 'public' }, deps)
      t.after(() => origin[Symbol.asyncDispose]())
      assert.deepEqual(await origin.resolveTag({ ...query, tag }), { kind: 'unknown' })
      assert.deepEqual(await origin.resolveTag({ ...query, tag, known: { digest: configDigest } }), { kind: 'unknown' })
      assert.equal(await origin.manifest({ ...query, digest: manifestDigest }), undefined)
      assert.equal(await origin.statBlob({ ...query, digest: blobDigest }), undefined)
      const read = { ...query, digest: blobDigest, range: { start: 0, end: size }, size }
      assert.equal(await origin.readBlob(read), undefined)
      assert.equal(await origin.listTags(query), undefined)
    })
  }
})
