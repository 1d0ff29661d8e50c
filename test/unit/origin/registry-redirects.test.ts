import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import { deps, never, readAll, sampleRepository, serveBytes, startServer } from './fixtures.ts'

const sample = sampleRepository()
const size = sample.blob.length
const read = {
  repository: sample.repository,
  signal: never,
  digest: sample.blobDigest,
  size,
  range: { start: 1000, end: 5000 },
}
const expected = sample.blob.subarray(1000, 5000)

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A registry that redirects its blobs, to clients that prove themselves with Basic, to wherever `target` says. */
async function openRedirecting(t: TestContext, target: () => string, status = 307) {
  const registry = await startServer(t, (request, response) => {
    if (request.headers.authorization === undefined) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end()
      return
    }
    response.writeHead(status, { location: target() }).end()
  })
  const credentials = { username: 'robot', password: 's3cret' }
  const origin = openOrigin({ kind: 'registry', url: registry.url, access: 'node', credentials }, deps)
  t.after(() => origin[Symbol.asyncDispose]())
  return { origin, registry }
}

const serveBlob: Handler = (request, response) => serveBytes(request, response, sample.blob)

for (const status of [301, 302, 303, 307, 308]) {
  test(`redirect (${status}) does not leak Authorization, and keeps Range`, async (t) => {
    const cdn = await startServer(t, serveBlob)
    const { origin } = await openRedirecting(t, () => `${cdn.url}/signed?secret=1`, status)
    assert.ok((await readAll(await origin.readBlob(read))).equals(expected))
    assert.equal(cdn.requests.length, 1)
    assert.equal(cdn.requests[0]?.headers.authorization, undefined)
    assert.equal(cdn.requests[0]?.headers['x-shoal-mirrored'], undefined)
    assert.equal(cdn.requests[0]?.headers.range, 'bytes=1000-4999')
  })
}

test('a redirect on the same host and port keeps Authorization', async (t) => {
  const registry = await startServer(t, (request, response) => {
    if (request.headers.authorization === undefined) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end()
    } else if (request.url === '/elsewhere') serveBlob(request, response)
    else response.writeHead(307, { location: '/elsewhere' }).end()
  })
  const credentials = { username: 'robot', password: 's3cret' }
  await using origin = openOrigin({ kind: 'registry', url: registry.url, access: 'node', credentials }, deps)
  assert.ok((await readAll(await origin.readBlob(read))).equals(expected))
})

test('Authorization does not come back when the redirects come back', async (t) => {
  let back = ''
  const cdn = await startServer(t, (_request, response) => void response.writeHead(302, { location: back }).end())
  const { origin, registry } = await openRedirecting(t, () => cdn.url)
  back = `${registry.url}/again`
  await assert.rejects(origin.readBlob(read), (error) => isShoalError(error))
  const again = registry.requests.filter((request) => request.url === '/again')
  assert.ok(again.length > 0)
  for (const request of again) assert.equal(request.headers.authorization, undefined)
})

test('403 on CDN re-resolved: an expired link is asked anew from the registry', async (t) => {
  for (const status of [403, 410]) {
    let links = 0
    const cdn = await startServer(t, (request, response) => {
      if (request.url === '/link1') response.writeHead(status).end()
      else serveBlob(request, response)
    })
    const { origin } = await openRedirecting(t, () => `${cdn.url}/link${++links}`)
    assert.ok((await readAll(await origin.readBlob(read))).equals(expected))
    assert.equal(links, 2)
  }
})

test('storage that goes on refusing is unreachable, asked twice and no more', async (t) => {
  const cdn = await startServer(t, (_request, response) => void response.writeHead(403).end())
  const { origin } = await openRedirecting(t, () => `${cdn.url}/link`)
  await assert.rejects(origin.readBlob(read), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'))
  assert.equal(cdn.requests.length, 2)
})

test('a blob behind a redirect is sized by a GET of one byte, since HEAD is not signed', async (t) => {
  const cdn = await startServer(t, (request, response) => {
    if (request.method === 'HEAD') response.writeHead(403).end()
    else serveBlob(request, response)
  })
  const { origin } = await openRedirecting(t, () => `${cdn.url}/link`)
  assert.deepEqual(await origin.statBlob(read), { size })
  assert.deepEqual(cdn.paths(), ['GET /link'])
})

test('redirect to metadata address refused, in every spelling', async (t) => {
  for (const target of [
    'http://169.254.169.254/latest/meta-data/',
    'http://2852039166/',
    'http://0xa9fea9fe/',
    'http://[fe80::1]/',
    'http://[::ffff:169.254.169.254]/',
    'http://[fd00:ec2::254]/',
    'http://100.100.100.200/',
  ]) {
    const { origin } = await openRedirecting(t, () => target)
    await assert.rejects(origin.readBlob(read), (error) => {
      return isShoalError(error, 'ORIGIN_UNREACHABLE') && /metadata/.test(error.message)
    })
  }
})

test('redirects that loop, downgrade, or lead to no http URL are refused', async (t) => {
  const targets = ['ftp://127.0.0.1/x', 'file:///etc/passwd', 'http://', 'javascript:1']
  for (const target of targets) {
    const { origin } = await openRedirecting(t, () => target)
    await assert.rejects(origin.readBlob(read), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'), target)
  }
  const loop = await openRedirecting(t, () => '/round')
  await assert.rejects(loop.origin.readBlob(read), (error) => {
    return isShoalError(error, 'ORIGIN_UNREACHABLE') && /more than 10/.test(error.message)
  })
  // The unauthorised try, then eleven hops.
  assert.equal(loop.registry.requests.length, 12)
})

const forms: readonly [form: string, location: (path: string, host: string) => string][] = [
  ['an absolute URL', (path, host) => `http://${host}${path}`],
  ['a path', (path) => path],
  ['a path without its slash', (path) => `..${path}`],
  ['a URL without its scheme', (path, host) => `//${host}${path}`],
  ['a URL with a fragment and a user', (path, host) => `http://somebody@${host}${path}#here`],
]
for (const [form, location] of forms) {
  for (const status of [301, 302, 303, 307, 308]) {
    test(`${form} is followed after ${status}, for manifests, sizes and blobs, once and ten times`, async (t) => {
      for (const hops of [1, 10]) {
        const registry = await startServer(t, (request, response) => {
          const url = new URL(request.url ?? '', 'http://x')
          const hop = Number(url.searchParams.get('hop') ?? 0)
          if (hop < hops) {
            // the one without a slash climbs from where it is
            const path = url.pathname.replace(/^\//, form.startsWith('a path without') ? '/../../../../../' : '/')
            const to = location(`${path}?hop=${hop + 1}`, request.headers.host ?? '')
            return void response.writeHead(status, { location: to }).end('moved')
          }
          serveBytes(request, response, url.pathname.includes('/manifests/') ? sample.manifest : sample.blob)
        })
        await using origin = openOrigin({ kind: 'registry', url: registry.url, access: 'public' }, deps)
        assert.ok((await readAll(await origin.readBlob(read))).equals(expected))
        assert.deepEqual(await origin.statBlob(read), { size })
        const found = await origin.resolveTag({ repository: sample.repository, tag: 'v1', signal: never })
        assert.equal(found.kind === 'found' && found.state.digest, sample.manifestDigest)
      }
    })
  }
}

test('a redirect that leads nowhere is an outage, not an answer', async (t) => {
  for (const headers of [{}, { location: '' }, { location: 'http://' }, { location: 'file:///etc/passwd' }]) {
    for (const status of [300, 301, 302, 303, 304, 305, 307, 308]) {
      const registry = await startServer(t, (_request, response) => void response.writeHead(status, headers).end())
      await using origin = openOrigin({ kind: 'registry', url: registry.url, access: 'public' }, deps)
      const asked = origin.resolveTag({ repository: sample.repository, tag: 'v1', signal: never })
      await assert.rejects(asked, (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'), `${status} ${headers.location}`)
    }
  }
})
