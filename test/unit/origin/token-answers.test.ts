import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { isShoalError } from '../../../src/base/errors.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import type { TestServer } from './fixtures.ts'
import { deps, never, sampleRepository, serveBytes, startServer } from './fixtures.ts'

const sample = sampleRepository()
const stat = { repository: sample.repository, signal: never, digest: sample.blobDigest }
const credentials = { username: 'robot', password: 's:cret' }
const PROOF = `Basic ${Buffer.from('robot:s:cret').toString('base64')}`

type TokenAnswer = (request: IncomingMessage, response: ServerResponse) => void

/** A registry with its token server beside it, both on one host and port. */
async function openGuarded(
  t: TestContext,
  { challenge, token }: { readonly challenge: (url: string) => string | string[]; readonly token: TokenAnswer },
) {
  const server: TestServer = await startServer(t, (request, response) => {
    if (request.url?.startsWith('/token')) return token(request, response)
    if (request.headers.authorization === 'Bearer good') return serveBytes(request, response, sample.blob)
    response.writeHead(401, { 'www-authenticate': challenge(server.url) }).end()
  })
  const origin = openOrigin({ kind: 'registry', url: server.url, access: 'node', credentials }, deps)
  t.after(() => origin[Symbol.asyncDispose]())
  const tokenRequests = (): URL[] =>
    server.requests.filter(({ url }) => url?.startsWith('/token')).map(({ url }) => new URL(url ?? '', 'http://x'))
  return { origin, server, tokenRequests }
}

function json(document: object, status = 200): TokenAnswer {
  return (_request, response) => void response.writeHead(status).end(`${JSON.stringify(document)}\n`)
}

const usual = (url: string): string => `Bearer realm="${url}/token",service="registry"`
const FUTURE = '2099-01-01T00:00:00Z'

const answers: readonly [what: string, answer: TokenAnswer][] = [
  ['token', json({ token: 'good' })],
  ['access_token', json({ access_token: 'good' })],
  ['both, the same', json({ token: 'good', access_token: 'good' })],
  ['both, of which token counts', json({ token: 'good', access_token: 'other' })],
  ['an empty token', json({ token: '', access_token: 'good' })],
  ['a token that is null', json({ token: null, access_token: 'good' })],
  ['an access_token that is null', json({ token: 'good', access_token: null })],
  ['expires_in', json({ token: 'good', expires_in: 300 })],
  ...[null, '300', '', 'soon', 0, -1, 1, 0.5, 1e15, true, {}, [300]].map((expires_in): [string, TokenAnswer] => [
    `expires_in ${JSON.stringify(expires_in)}`,
    json({ token: 'good', expires_in }),
  ]),
  ['issued_at in the future', json({ token: 'good', expires_in: 60, issued_at: FUTURE })],
  ['issued_at long ago', json({ token: 'good', expires_in: 60, issued_at: '1970-01-01T00:00:00Z' })],
  ['issued_at that is no date', json({ token: 'good', issued_at: 'yesterday' })],
  ['issued_at that is null', json({ token: 'good', issued_at: null })],
  [
    'a refresh_token, a scope and a type',
    json({ access_token: 'good', refresh_token: 'r', scope: 's', token_type: 'Bearer' }),
  ],
  ['keys that nobody knows', json({ token: 'good', Token: 'other', nested: { token: 'x' }, list: [1] })],
  ['201', json({ token: 'good' }, 201)],
  ['another type', (_q, a) => void a.writeHead(200, { 'content-type': 'text/plain' }).end('{"token":"good"}')],
  [
    'no type, in chunks',
    (_q, a) => {
      a.write('{"token":')
      a.end('"good"}')
    },
  ],
  ['blanks around it', (_q, a) => void a.end('\n\n  {"token" : "good"}\r\n')],
  [
    'gzip that nobody asked for',
    (_q, a) => void a.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{"token":"good"}')),
  ],
  [
    'a redirect on its host',
    (request, response) => {
      if (request.url?.includes('moved')) return json({ token: 'good' })(request, response)
      response.writeHead(307, { location: `${request.url}&moved=1` }).end()
    },
  ],
]

describe('a token that comes with', () => {
  for (const [what, answer] of answers) {
    it(`${what} is read, once`, async (t) => {
      const { origin, tokenRequests, server } = await openGuarded(t, { challenge: usual, token: answer })
      assert.deepEqual(await origin.statBlob(stat), { size: sample.blob.length })
      assert.deepEqual(await origin.statBlob(stat), { size: sample.blob.length })
      const asked = tokenRequests().filter(({ search }) => !search.includes('moved'))
      assert.equal(asked.length, 1)
      assert.ok(
        server.requests.some(({ url, headers }) => url?.startsWith('/token') && headers.authorization === PROOF),
      )
    })
  }

  for (const [what, answer] of [
    ['no token', json({ expires_in: 300 })],
    ['an empty token alone', json({ token: '' })],
    ['a token that is a number', json({ token: 5 })],
    ['a token with a line break', json({ token: 'good\r\nX: y' })],
    ['a page', (_q: IncomingMessage, a: ServerResponse) => void a.end('<html>good</html>')],
    ['nothing', (_q: IncomingMessage, a: ServerResponse) => void a.end()],
    ['500', json({ token: 'good' }, 500)],
  ] as const) {
    it(`${what} is an outage that names the token server`, async (t) => {
      const { origin, server } = await openGuarded(t, { challenge: usual, token: answer })
      await assert.rejects(origin.statBlob(stat), (error) => {
        return isShoalError(error, 'ORIGIN_UNREACHABLE') && error.message.includes(server.url)
      })
    })
  }
})

/** Each leads to /token with the service `registry, inc` and the scope of the repository, unless it says else. */
const challenges: readonly [what: string, challenge: (url: string) => string | string[], expected?: object][] = [
  ['as usual', (url) => `Bearer realm="${url}/token",service="registry, inc",scope="repository:team/app:pull"`],
  ['in lower case', (url) => `bearer realm="${url}/token",service="registry, inc"`],
  ['in capitals', (url) => `BEARER REALM="${url}/token",SERVICE="registry, inc",Scope="repository:team/app:pull"`],
  ['with blanks', (url) => `Bearer   realm = "${url}/token" ,  service = "registry, inc" , `],
  ['with tabs and empty parts', (url) => `Bearer\trealm="${url}/token",,\tservice="registry, inc",`],
  ['without a service', (url) => `Bearer realm="${url}/token"`, { service: null }],
  ['without quotes', (url) => `Bearer service=registry,realm="${url}/token"`, { service: 'registry' }],
  ['with the realm last', (url) => `Bearer error="invalid_token",service="registry, inc",realm="${url}/token"`],
  [
    'with escaped signs',
    (url) => `Bearer realm="${url}/token",service="registry\\, \\inc",error_description="a \\"b\\", c=d"`,
  ],
  ['with an empty scope', (url) => `Bearer realm="${url}/token",service="registry, inc",scope=""`],
  [
    'with further actions',
    (url) => `Bearer realm="${url}/token",service="registry, inc",scope="repository:team/app:pull,push"`,
    { scope: ['repository:team/app:pull,push'] },
  ],
  [
    'with a query in the realm',
    (url) => `Bearer realm="${url}/token?tenant=a&b=c",service="registry, inc"`,
    { tenant: 'a' },
  ],
  ['with a service in the realm, too', (url) => `Bearer realm="${url}/token?service=old",service="registry, inc"`],
  ['after Basic', (url) => `Basic realm="registry, inc", Bearer realm="${url}/token",service="registry, inc"`],
  ['before Basic', (url) => `Bearer realm="${url}/token",service="registry, inc", Basic realm="x"`],
  ['after Negotiate', (url) => `Negotiate, NTLM, Bearer realm="${url}/token",service="registry, inc"`],
  ['after Negotiate with a blob', (url) => `Negotiate YII3bQ==, Bearer realm="${url}/token",service="registry, inc"`],
  ['after a Bearer without realm', (url) => `Bearer error="x", Bearer realm="${url}/token",service="registry, inc"`],
  ['in two lines', (url) => ['Basic realm="r"', `Bearer realm="${url}/token",service="registry, inc"`]],
  [
    'in two lines, the other way round',
    (url) => [`Bearer realm="${url}/token",service="registry, inc"`, 'Basic realm="r"'],
  ],
]

describe('a challenge', () => {
  for (const [what, challenge, expected = {}] of challenges) {
    it(`${what} is understood`, async (t) => {
      const { origin, tokenRequests } = await openGuarded(t, { challenge, token: json({ token: 'good' }) })
      assert.deepEqual(await origin.statBlob(stat), { size: sample.blob.length })
      const search = tokenRequests()[0]?.searchParams
      const wanted = { service: 'registry, inc', tenant: null, scope: ['repository:team/app:pull'], ...expected }
      const { service, tenant, scope } = wanted
      assert.deepEqual(search?.get('service') ?? null, service)
      assert.equal(search?.getAll('service').length, service === null ? 0 : 1)
      assert.equal(search?.get('tenant') ?? null, tenant)
      assert.deepEqual(
        search?.getAll('scope').map((one) => one.replace(/:pull,push$/, ':pull')),
        scope.map((one) => one.replace(/:pull,push$/, ':pull')),
      )
    })
  }
})
