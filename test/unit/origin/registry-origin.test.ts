import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import type { OriginOptions } from '../../../src/origin/index.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import {
  beginRead,
  deps,
  never,
  REGISTRY_HEADERS,
  readAll,
  sampleRepository,
  serveBytes,
  startServer,
} from './fixtures.ts'

const sample = sampleRepository()
const query = { repository: sample.repository, signal: never }
const size = sample.blob.length
const blobPath = `/v2/team/app/blobs/${sample.blobDigest}`
const read = { ...query, digest: sample.blobDigest, size, range: { start: 1000, end: 5000 } }
const expected = sample.blob.subarray(1000, 5000)
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** A registry that answers by `routes` (path without query -> handler), else 404. */
async function openRegistry(t: TestContext, routes: Record<string, Handler>, options: Partial<OriginOptions> = {}) {
  const server = await startServer(t, (request, response) => {
    const route = routes[(request.url ?? '').split('?', 1)[0] ?? '']
    return route === undefined ? void response.writeHead(404, REGISTRY_HEADERS).end() : route(request, response)
  })
  const origin = openOrigin({ kind: 'registry', url: server.url, access: 'public' }, deps, options)
  t.after(() => origin[Symbol.asyncDispose]())
  return { origin, server }
}

function serveManifest(bytes: Uint8Array, headers: Record<string, string> = {}): Handler {
  return (request, response) => {
    response.writeHead(200, { 'content-type': OCI_MANIFEST, 'content-length': bytes.length, ...headers })
    response.end(request.method === 'HEAD' ? undefined : bytes)
  }
}

test('a tag comes with its manifest; one that is known is looked up by HEAD, and the same digest is unchanged', async (t) => {
  const headers = { 'docker-content-digest': sample.manifestDigest }
  const { origin, server } = await openRegistry(t, {
    '/v2/team/app/manifests/v1': serveManifest(sample.manifest, headers),
  })
  const first = await origin.resolveTag({ ...query, tag: 'v1' })
  const manifest = { bytes: sample.manifest, mediaType: OCI_MANIFEST }
  assert.deepEqual(first, { kind: 'found', state: { digest: sample.manifestDigest }, manifest })
  const known = { digest: sample.manifestDigest }
  assert.deepEqual(await origin.resolveTag({ ...query, tag: 'v1', known }), { kind: 'unchanged' })
  assert.deepEqual(await origin.resolveTag({ ...query, tag: 'v2' }), { kind: 'unknown' })
  assert.deepEqual(server.paths().slice(0, 2), ['GET /v2/team/app/manifests/v1', 'HEAD /v2/team/app/manifests/v1'])
})

test('requests name the program, guard against loops, refuse encodings, and never accept schema 1', async (t) => {
  const { origin, server } = await openRegistry(t, {})
  await origin.resolveTag({ ...query, tag: 'v1' })
  const headers = server.requests[0]?.headers ?? {}
  assert.equal(headers['user-agent'], 'shoal/1.2.3')
  assert.match(String(headers['x-shoal-mirrored']), /^[0-9a-f]{16}$/)
  assert.equal(headers['accept-encoding'], 'identity')
  assert.match(headers.accept ?? '', /oci\.image\.index/)
  assert.doesNotMatch(headers.accept ?? '', /distribution\.manifest\.v1|application\/json|\*/)
})

test('without Docker-Content-Digest the manifest is fetched and hashed', async (t) => {
  const { origin } = await openRegistry(t, { '/v2/team/app/manifests/v1': serveManifest(sample.manifest) })
  const resolution = await origin.resolveTag({ ...query, tag: 'v1' })
  const manifest = { bytes: sample.manifest, mediaType: OCI_MANIFEST }
  assert.deepEqual(resolution, { kind: 'found', state: { digest: sample.manifestDigest }, manifest })
})

test('a manifest comes byte for byte with its media type, without parameters', async (t) => {
  const { origin } = await openRegistry(t, {
    [`/v2/team/app/manifests/${sample.manifestDigest}`]: serveManifest(sample.manifest, {
      'content-type': `${OCI_MANIFEST}; charset=utf-8`,
    }),
  })
  const manifest = await origin.manifest({ ...query, digest: sample.manifestDigest })
  assert.deepEqual(Buffer.from(manifest?.bytes ?? []), sample.manifest)
  assert.equal(manifest?.mediaType, OCI_MANIFEST)
  assert.equal(await origin.manifest({ ...query, digest: sample.blobDigest }), undefined)
})

test('a manifest above the limit is refused while it arrives', async (t) => {
  const { origin } = await openRegistry(t, {
    [`/v2/team/app/manifests/${sample.manifestDigest}`]: (_request, response) => {
      response.writeHead(200, { 'content-type': OCI_MANIFEST })
      const more = (): void => {
        while (response.write(Buffer.alloc(65_536)));
        response.once('drain', more)
      }
      more()
    },
  })
  await assert.rejects(origin.manifest({ ...query, digest: sample.manifestDigest }), (error) =>
    isShoalError(error, 'MANIFEST_INVALID'),
  )
})

test('a blob is sized by HEAD and read by range; the whole of it without Range', async (t) => {
  const { origin, server } = await openRegistry(t, {
    [blobPath]: (request, response) => serveBytes(request, response, sample.blob),
  })
  assert.deepEqual(await origin.statBlob(read), { size })
  assert.ok((await readAll(await origin.readBlob(read))).equals(expected))
  assert.ok((await readAll(await origin.readBlob({ ...read, range: { start: 0, end: size } }))).equals(sample.blob))
  const ranges = server.requests.map((request) => request.headers.range)
  assert.deepEqual(ranges, [undefined, 'bytes=1000-4999', undefined])
  assert.equal(await origin.statBlob({ ...query, digest: sample.configDigest }), undefined)
  assert.equal(await origin.readBlob({ ...read, digest: sample.configDigest }), undefined)
})

test('an empty blob has size 0 and reads as nothing', async (t) => {
  const digest = digestOf(Buffer.alloc(0))
  const { origin } = await openRegistry(t, {
    [`/v2/team/app/blobs/${digest}`]: (request, response) => {
      if (request.method === 'HEAD') response.writeHead(405).end()
      else serveBytes(request, response, Buffer.alloc(0))
    },
  })
  assert.deepEqual(await origin.statBlob({ ...query, digest }), { size: 0 })
  const nothing = await origin.readBlob({ ...query, digest, size: 0, range: { start: 0, end: 0 } })
  assert.equal((await readAll(nothing)).length, 0)
})

test('a content encoding that nobody knows is refused, for blobs and manifests', async (t) => {
  const encoded: Handler = (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'compress', 'content-type': OCI_MANIFEST }).end('abc')
  }
  const { origin } = await openRegistry(t, {
    [blobPath]: encoded,
    [`/v2/team/app/manifests/${sample.manifestDigest}`]: encoded,
  })
  const refused = (error: unknown): boolean => isShoalError(error, 'ORIGIN_CHANGED') && /encoding/.test(error.message)
  await assert.rejects(origin.readBlob(read), refused)
  await assert.rejects(origin.manifest({ ...query, digest: sample.manifestDigest }), refused)
})

test('an error page may be encoded: it is not passed on', async (t) => {
  const { origin } = await openRegistry(t, {
    [blobPath]: (_request, response) =>
      void response.writeHead(404, { ...REGISTRY_HEADERS, 'content-encoding': 'gzip' }).end('abc'),
  })
  assert.equal(await origin.readBlob(read), undefined)
})

test('200 instead of 206: the prefix is thrown away, the right bytes come', async (t) => {
  const { origin } = await openRegistry(t, {
    [blobPath]: (_request, response) => void response.writeHead(200, { 'content-length': size }).end(sample.blob),
  })
  assert.ok((await readAll(await origin.readBlob(read))).equals(expected))
})

test('short body is an error, with and without Content-Length', async (t) => {
  const bodies: Handler[] = [
    (_request, response) => {
      response.writeHead(206, { 'content-length': 4000, 'content-range': `bytes 1000-4999/${size}` })
      response.write(expected.subarray(0, 100), () => response.destroy())
    },
    (_request, response) => {
      response.writeHead(206, { 'content-range': `bytes 1000-4999/${size}` }).end(expected.subarray(0, 100))
    },
  ]
  for (const body of bodies) {
    const { origin } = await openRegistry(t, { [blobPath]: body })
    await assert.rejects(readAll(await origin.readBlob(read)), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'))
  }
})

test('stalled body: given up after the stall time', async (t) => {
  const stall: Handler = (_request, response) => {
    response.writeHead(206, { 'content-length': 4000, 'content-range': `bytes 1000-4999/${size}` })
    response.write(expected.subarray(0, 100))
  }
  const { origin } = await openRegistry(t, { [blobPath]: stall }, { stallMs: 50 })
  await assert.rejects(readAll(await origin.readBlob(read)), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'))
})

test('headers that never come are given up', async (t) => {
  const { origin } = await openRegistry(t, { [blobPath]: () => {} }, { headersTimeoutMs: 50 })
  await assert.rejects(origin.readBlob(read), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'))
})

test('wrong size is a change: in Content-Range, in Content-Length, and as 416', async (t) => {
  const answers: Handler[] = [
    (_request, response) =>
      void response.writeHead(206, { 'content-range': `bytes 1000-4999/${size - 1}` }).end(expected),
    (_request, response) => void response.writeHead(200, { 'content-length': 3 }).end('abc'),
    (_request, response) => void response.writeHead(416, { 'content-range': 'bytes */3' }).end(),
  ]
  for (const answer of answers) {
    const { origin } = await openRegistry(t, { [blobPath]: answer })
    await assert.rejects(origin.readBlob(read), (error) => isShoalError(error, 'ORIGIN_CHANGED'))
  }
})

test('throttled: 429 and 503 carry how long to wait', async (t) => {
  const date = 'Fri, 20 Nov 2026 10:00:00 GMT'
  const cases: [number, Record<string, string>, number | undefined][] = [
    [429, { 'retry-after': '7' }, 7000],
    [503, { date, 'retry-after': 'Fri, 20 Nov 2026 10:00:30 GMT' }, 30_000],
    [429, {}, undefined],
  ]
  for (const [status, headers, retryAfterMs] of cases) {
    const { origin } = await openRegistry(t, {
      '/v2/team/app/manifests/v1': (_request, response) => void response.writeHead(status, headers).end(),
    })
    await assert.rejects(origin.resolveTag({ ...query, tag: 'v1' }), (error) => {
      return isShoalError(error, 'ORIGIN_THROTTLED') && error.details.retryAfterMs === retryAfterMs
    })
  }
})

test('5xx and refused connections are unreachable', async (t) => {
  const { origin } = await openRegistry(t, { [blobPath]: (_request, response) => void response.writeHead(502).end() })
  await assert.rejects(origin.statBlob(read), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'))
  await using nobody = openOrigin({ kind: 'registry', url: 'http://127.0.0.1:1', access: 'public' }, deps)
  await assert.rejects(nobody.statBlob(read), (error) => {
    return isShoalError(error, 'ORIGIN_UNREACHABLE') && error.message.includes('http://127.0.0.1:1')
  })
})

test('a connection that breaks before the answer is tried once more', async (t) => {
  let count = 0
  const { origin } = await openRegistry(t, {
    [blobPath]: (request, response) => {
      if (++count === 1) response.destroy()
      else serveBytes(request, response, sample.blob)
    },
  })
  assert.deepEqual(await origin.statBlob(read), { size })
  assert.equal(count, 2)
})

test('aborting ends a read with the reason and closes the connection', async (t) => {
  const { promise: gone, resolve } = Promise.withResolvers<void>()
  const { origin } = await openRegistry(t, {
    [blobPath]: (_request, response) => void beginRead(response, sample.blob).once('close', resolve),
  })
  const controller = new AbortController()
  const reason = new Error('enough')
  const chunks = await origin.readBlob({ ...read, signal: controller.signal })
  controller.abort(reason)
  await assert.rejects(readAll(chunks), reason)
  await gone
})

/** A tag list with pages as the specification describes them. */
function servePages(tags: readonly string[], { paged = true } = {}): Handler {
  return (request, response) => {
    const search = new URL(request.url ?? '', 'http://x').searchParams
    const n = paged ? Number(search.get('n')) : tags.length
    const rest = paged ? tags.filter((tag) => tag > (search.get('last') ?? '')) : tags
    const page = rest.slice(0, n)
    const link = `</v2/team/app/tags/list?n=${n}&last=${page.at(-1)}>; rel="next"`
    response.writeHead(200, { 'content-type': 'application/json', ...(rest.length > n ? { link } : {}) })
    response.end(JSON.stringify({ name: 'team/app', tags: page }))
  }
}

test('tags are listed over pages, with limit and last, also from a registry that knows no pages', async (t) => {
  const tags = ['a', 'b', 'c', 'd', 'e']
  for (const paged of [true, false]) {
    const { origin } = await openRegistry(t, { '/v2/team/app/tags/list': servePages(tags, { paged }) })
    assert.deepEqual(await origin.listTags(query), { tags, more: false })
    assert.deepEqual(await origin.listTags({ ...query, limit: 2 }), { tags: ['a', 'b'], more: true })
    assert.deepEqual(await origin.listTags({ ...query, limit: 2, after: 'b' }), { tags: ['c', 'd'], more: true })
    assert.deepEqual(await origin.listTags({ ...query, limit: 2, after: 'd' }), { tags: ['e'], more: false })
    assert.equal(await origin.listTags({ ...query, repository: 'no' }), undefined)
  }
})

for (const [how, paged] of [
  ['and pages by a token of its own', true],
  ['and knows no pages', false],
] as const) {
  test(`a registry that lists tags in its own order ${how} loses and repeats none`, async (t) => {
    const tags = Array.from({ length: 230 }, (_, i) => `v${(i * 37) % 230}`)
    const { origin } = await openRegistry(t, {
      '/v2/team/app/tags/list': (request, response) => {
        const at = Number(new URL(request.url ?? '', 'http://x').searchParams.get('at') ?? 0)
        const shown = paged ? tags.slice(at, at + 50) : tags
        const link = `</v2/team/app/tags/list?at=${at + 50}>; rel="next"`
        response.writeHead(200, paged && at + 50 < tags.length ? { link } : {}).end(JSON.stringify({ tags: shown }))
      },
    })
    for (const limit of [1, 40, 150]) {
      const seen: string[] = []
      for (let more = true; more && seen.length <= tags.length; ) {
        const page = await origin.listTags({ ...query, limit, after: seen.at(-1) })
        seen.push(...(page?.tags ?? []))
        more = page?.more ?? false
      }
      assert.deepEqual(seen, tags.toSorted())
    }
  })
}

test('pages that a registry keeps smaller than asked for are followed to the end', async (t) => {
  const tags = ['a', 'b', 'c', 'd', 'e']
  const { origin, server } = await openRegistry(t, {
    '/v2/team/app/tags/list': (request, response) => {
      const last = new URL(request.url ?? '', 'http://x').searchParams.get('last') ?? ''
      const rest = tags.filter((tag) => tag > last)
      const link = `<${server.url}/v2/team/app/tags/list?last=${rest[1]}&n=2>; rel="next"`
      response.writeHead(200, rest.length > 2 ? { link } : {}).end(JSON.stringify({ tags: rest.slice(0, 2) }))
    },
  })
  assert.deepEqual(await origin.listTags(query), { tags, more: false })
  assert.deepEqual(await origin.listTags({ ...query, limit: 3 }), { tags: ['a', 'b', 'c'], more: true })
})

test('referrers come from the API, else from their tag, else not at all', async (t) => {
  const index = Buffer.from('{"schemaVersion":2,"manifests":[]}')
  const ociIndex = { 'content-type': 'application/vnd.oci.image.index.v1+json' }
  const digest = sample.manifestDigest
  const api = await openRegistry(t, {
    [`/v2/team/app/referrers/${digest}`]: serveManifest(index, { ...ociIndex, 'oci-filters-applied': 'artifactType' }),
  })
  const found = await api.origin.referrers({ ...query, digest, artifactType: 'application/x+y' })
  assert.deepEqual([Buffer.from(found?.bytes ?? []), found?.filtered], [index, true])
  assert.match(api.server.requests[0]?.url ?? '', /\?artifactType=application%2Fx%2By$/)
  const tag = await openRegistry(t, {
    [`/v2/team/app/manifests/sha256-${digest.slice(7)}`]: serveManifest(index, ociIndex),
  })
  assert.equal((await tag.origin.referrers({ ...query, digest }))?.filtered, false)
  const none = await openRegistry(t, {})
  assert.equal(await none.origin.referrers({ ...query, digest }), undefined)
})

test('path traversal refused: a name outside its grammar is never sent', async (t) => {
  const { origin, server } = await openRegistry(t, {})
  for (const repository of ['../v2/x', 'a?b', 'a#b', 'A', 'a//b']) {
    await assert.rejects(origin.statBlob({ ...read, repository }), (error) => isShoalError(error, 'NAME_INVALID'))
  }
  await assert.rejects(origin.resolveTag({ ...query, tag: '../x' }), (error) =>
    isShoalError(error, 'REFERENCE_INVALID'),
  )
  assert.equal(server.requests.length, 0)
})

const errorDocument = JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN' }] })

for (const [what, status, headers, body, expected] of [
  ['a registry’s own 404, by its document', 404, {}, errorDocument, 'unknown'],
  ['a registry’s own 404, by its header', 404, REGISTRY_HEADERS, '', 'unknown'],
  ['a 404 of an ingress without its backend', 404, {}, 'default backend - 404', 'ORIGIN_UNREACHABLE'],
  ['a page for people', 200, { 'content-type': 'text/html' }, '<html>please log in</html>', 'ORIGIN_UNREACHABLE'],
  ['a registry’s own 403', 403, {}, errorDocument, 'ORIGIN_DENIED'],
  ['a firewall’s 403', 403, { 'content-type': 'text/html' }, '<html>blocked</html>', 'ORIGIN_UNREACHABLE'],
] as const) {
  test(`${what} is ${expected === 'unknown' ? expected : `an error, ${expected}`}`, async (t) => {
    const { origin } = await openRegistry(t, {
      '/v2/team/app/manifests/v1': (request, response) => {
        response.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : body)
      },
    })
    const asked = origin.resolveTag({ repository: 'team/app', signal: never, tag: 'v1' })
    if (expected === 'unknown') assert.deepEqual(await asked, { kind: 'unknown' })
    else await assert.rejects(asked, (error) => isShoalError(error, expected))
  })
}

for (const status of [400, 403, 404, 405, 500, 501]) {
  test(`a HEAD that is refused with ${status} is asked as a GET`, async (t) => {
    const { origin } = await openRegistry(t, {
      '/v2/team/app/manifests/v1': (request, response) => {
        if (request.method === 'HEAD') response.writeHead(status).end()
        else serveBytes(request, response, sample.manifest)
      },
    })
    const tagged = { repository: 'team/app', signal: never, tag: 'v1' }
    const found = await origin.resolveTag({ ...tagged, known: { digest: sample.configDigest } })
    assert.deepEqual(found.kind === 'found' && found.state, { digest: sample.manifestDigest })
    const again = await origin.resolveTag({ ...tagged, known: { digest: sample.manifestDigest } })
    assert.deepEqual(again, { kind: 'unchanged' })
  })
}

for (const path of ['', '/', '/v2', '/v2/']) {
  test(`a registry is asked below its API's root, written as ${path || 'nothing'}`, async (t) => {
    const { server } = await openRegistry(t, { '/v2/team/app/manifests/v1': serveManifest(sample.manifest) })
    await using origin = openOrigin({ kind: 'registry', url: `${server.url}${path}`, access: 'public' }, deps)
    assert.equal((await origin.resolveTag({ ...query, tag: 'v1' })).kind, 'found')
  })
}
