import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { Clock } from '../../../src/base/clock.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { isShoalError } from '../../../src/base/errors.ts'
import type { AccessMode, RegistryCredentials } from '../../../src/origin/index.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import type { TestServer, Warning } from './fixtures.ts'
import { deps, never, sampleRepository, serveBytes, startServer, tempDir, warningLogger } from './fixtures.ts'

const sample = sampleRepository()
const stat = { repository: sample.repository, signal: never, digest: sample.blobDigest }
const size = sample.blob.length
const credentials: RegistryCredentials = { username: 'robot', password: 's3:cret' }
const basic = `Basic ${Buffer.from('robot:s3:cret').toString('base64')}`

/** The token servers of this file's registries, on ports of their own. */
const realms: string[] = []

/** A token server that gives tok1, tok2, ... and a registry that takes those in `accepted`. */
class TokenWorld {
  accepted = new Set<string>()
  issued = 0
  expiresInS: number | undefined
  tokenStatus = 200
  issuesGoodTokens = true
  challengeHost: string | undefined
  tokens!: TestServer
  registry!: TestServer

  static async start(t: TestContext): Promise<TokenWorld> {
    const world = new TokenWorld()
    world.tokens = await startServer(t, (_request, response) => {
      const token = `tok${++world.issued}`
      if (world.issuesGoodTokens) world.accepted.add(token)
      response.writeHead(world.tokenStatus, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ token, expires_in: world.expiresInS }))
    })
    realms.push(new URL(world.tokens.url).host)
    world.registry = await startServer(t, (request, response) => world.#answer(request, response))
    return world
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.accepted.has((request.headers.authorization ?? '').replace('Bearer ', ''))) {
      serveBytes(request, response, sample.blob)
      return
    }
    const realm = `${this.challengeHost ?? this.tokens.url}/token`
    const challenge = `Bearer realm="${realm}",service="the, registry",scope="repository:team/app:pull,push"`
    response.writeHead(401, { 'www-authenticate': challenge }).end()
  }
}

function open(
  t: TestContext,
  url: string,
  options: { access?: AccessMode; credentials?: RegistryCredentials | null; clock?: Clock; warnings?: Warning[] } = {},
) {
  const { access = 'node', clock = systemClock, warnings = [] } = options
  const given = options.credentials === undefined ? credentials : options.credentials
  const origin = openOrigin(
    { kind: 'registry', url, access, credentials: given, trustedRealms: realms },
    { ...deps, clock, logger: warningLogger(warnings) },
  )
  t.after(() => origin[Symbol.asyncDispose]())
  return origin
}

test('a Bearer challenge is answered with a token for its service and scope, got with the credentials', async (t) => {
  const world = await TokenWorld.start(t)
  const origin = open(t, world.registry.url)
  assert.deepEqual(await origin.statBlob(stat), { size })
  const request = world.tokens.requests[0]
  const search = new URL(request?.url ?? '', 'http://x').searchParams
  assert.equal(search.get('service'), 'the, registry')
  assert.deepEqual(search.getAll('scope'), ['repository:team/app:pull'])
  assert.equal(request?.headers.authorization, basic)
})

test('a token is used again without another challenge, and fetched once by all who wait for it', async (t) => {
  const world = await TokenWorld.start(t)
  const origin = open(t, world.registry.url)
  await Promise.all([origin.statBlob(stat), origin.statBlob(stat), origin.statBlob(stat)])
  await origin.statBlob(stat)
  assert.equal(world.issued, 1)
  assert.equal(world.registry.requests.at(-1)?.headers.authorization, 'Bearer tok1')
})

test('expired token refreshed: a 401 to a kept token gets a new one', async (t) => {
  const world = await TokenWorld.start(t)
  const origin = open(t, world.registry.url)
  await origin.statBlob(stat)
  world.accepted.clear()
  assert.deepEqual(await origin.statBlob(stat), { size })
  assert.equal(world.issued, 2)
})

test('a token is renewed a tenth before its end, and kept a minute at least', async (t) => {
  for (const [expiresInS, stillGoodMs, overMs] of [
    [1000, 899_000, 901_000],
    [5, 53_000, 55_000],
    [undefined, 53_000, 55_000],
  ] as const) {
    const world = await TokenWorld.start(t)
    world.expiresInS = expiresInS
    let now = 0
    const origin = open(t, world.registry.url, { clock: { ...systemClock, now: () => now } })
    await origin.statBlob(stat)
    now = stillGoodMs
    await origin.statBlob(stat)
    assert.equal(world.issued, 1, `${expiresInS} s, early`)
    now = overMs
    await origin.statBlob(stat)
    assert.equal(world.issued, 2, `${expiresInS} s, late`)
  }
})

test("a realm that is not the registry's own and not public is not asked, and its token is not handed over", async (t) => {
  for (const access of ['node', 'public'] as const) {
    const world = await TokenWorld.start(t)
    const internal = await startServer(t, (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"token":"of-an-internal-service"}')
    })
    for (const name of ['127.0.0.1', 'localhost']) {
      world.challengeHost = internal.url.replace('127.0.0.1', name)
      const warnings: Warning[] = []
      const origin = open(t, world.registry.url, { warnings, access })
      await assert.rejects(origin.statBlob(stat), (error) => {
        return isShoalError(error, 'ORIGIN_UNREACHABLE') && /trustedRealms/.test(error.message)
      })
      assert.equal(warnings.length, access === 'node' ? 1 : 0, access)
    }
    assert.deepEqual(internal.requests, [])
    assert.ok(world.registry.requests.every(({ headers }) => headers.authorization === undefined))
  }
})

test('a realm that sends on to an internal service gets no token from there', async (t) => {
  const internal = await startServer(t, (_request, response) => void response.end('{"token":"internal"}'))
  const registry = await startServer(t, (request, response) => {
    if (request.url?.startsWith('/token')) response.writeHead(302, { location: internal.url }).end()
    else response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${request.headers.host}/token"` }).end()
  })
  await assert.rejects(open(t, registry.url).statBlob(stat), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'))
  assert.deepEqual(internal.requests, [])
  assert.ok(registry.requests.every(({ headers }) => !/internal/.test(headers.authorization ?? '')))
})

test('tokens are read as Go clients read them', async (t) => {
  const answers: readonly object[] = [
    { access_token: 'T', expires_in: 300 },
    { token: 'T' },
    { token: '', access_token: 'T' },
    { token: null, access_token: 'T' },
    { token: 'T', access_token: null, refresh_token: null, expires_in: null },
    { token: 'T', expires_in: '300' },
    { token: 'T', expires_in: 0 },
  ]
  for (const answer of answers) {
    const registry = await startServer(t, (request, response) => {
      if (request.headers.authorization === 'Bearer T') serveBytes(request, response, sample.blob)
      else if (request.url?.startsWith('/token')) response.end(JSON.stringify(answer))
      else response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${request.headers.host}/token"` }).end()
    })
    assert.deepEqual(await open(t, registry.url).statBlob(stat), { size }, JSON.stringify(answer))
  }
})

test('a realm at a metadata address is not asked', async (t) => {
  const world = await TokenWorld.start(t)
  world.challengeHost = 'http://169.254.169.254'
  await assert.rejects(open(t, world.registry.url).statBlob(stat), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'))
})

test('public access never uses credentials, nor what a client sent', async (t) => {
  const world = await TokenWorld.start(t)
  const origin = open(t, world.registry.url, { access: 'public' })
  await origin.statBlob({ ...stat, authorization: 'Bearer of-a-client' })
  assert.equal(world.tokens.requests[0]?.headers.authorization, undefined)
  const scope = new URL(world.tokens.requests[0]?.url ?? '', 'http://x').searchParams.getAll('scope')
  assert.deepEqual(scope, ['repository:team/app:pull,push'], 'what the repository asked for')
  assert.equal(world.registry.requests[0]?.headers.authorization, undefined)
})

test('a token that is not enough is a denial after one try', async (t) => {
  const world = await TokenWorld.start(t)
  const origin = open(t, world.registry.url)
  world.issuesGoodTokens = false
  await assert.rejects(origin.statBlob(stat), (error) => isShoalError(error, 'ORIGIN_DENIED'))
  const asked = world.registry.requests.map(({ method, headers }) => [method, headers.authorization === undefined])
  assert.deepEqual(asked, [
    ['GET', true],
    ['HEAD', false],
    ['HEAD', false],
  ])
})

test('what a token server refuses, throttles or breaks is told apart', async (t) => {
  for (const [status, code] of [
    [401, 'ORIGIN_DENIED'],
    [429, 'ORIGIN_THROTTLED'],
    [500, 'ORIGIN_UNREACHABLE'],
  ] as const) {
    const world = await TokenWorld.start(t)
    world.tokenStatus = status
    await assert.rejects(open(t, world.registry.url).statBlob(stat), (error) => isShoalError(error, code))
  }
})

test('a token that does not fit into a header is refused', async (t) => {
  const tokens = await startServer(t, (_request, response) => {
    response.end(JSON.stringify({ token: 'a\r\nx-evil: 1' }))
  })
  const registry = await startServer(t, (_request, response) => {
    response.writeHead(401, { 'www-authenticate': `Bearer realm="${tokens.url}"` }).end()
  })
  await assert.rejects(open(t, registry.url).statBlob(stat), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'))
})

async function startBasic(t: TestContext): Promise<TestServer> {
  return startServer(t, (request, response) => {
    if (request.headers.authorization === basic) serveBytes(request, response, sample.blob)
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end()
  })
}

test('Basic is answered with the credentials, at once the next time', async (t) => {
  const registry = await startBasic(t)
  const origin = open(t, registry.url)
  await origin.statBlob(stat)
  await origin.statBlob(stat)
  assert.deepEqual(
    registry.requests.map((request) => request.headers.authorization),
    [undefined, basic, basic],
  )
})

test('Basic without credentials, or with wrong ones, is a denial', async (t) => {
  const registry = await startBasic(t)
  for (const given of [null, { username: 'robot', password: 'wrong' }]) {
    const origin = open(t, registry.url, { credentials: given })
    await assert.rejects(origin.statBlob(stat), (error) => isShoalError(error, 'ORIGIN_DENIED'))
  }
})

test('credentials come from a Docker config file, read again when they are refused', async (t) => {
  const registry = await startBasic(t)
  const file = join(await tempDir(t), 'config.json')
  const write = (password: string): Promise<void> =>
    writeFile(file, JSON.stringify({ auths: { [new URL(registry.url).host]: { username: 'robot', password } } }))
  await write('old')
  const origin = open(t, registry.url, { credentials: { file } })
  await assert.rejects(origin.statBlob(stat), (error) => isShoalError(error, 'ORIGIN_DENIED'))
  await write('s3:cret')
  assert.deepEqual(await origin.statBlob(stat), { size })
})

test("passthrough sends the client's own header as it is, and never asks a token server", async (t) => {
  const world = await TokenWorld.start(t)
  world.accepted.add('of-a-client')
  const origin = open(t, world.registry.url, { access: 'passthrough' })
  assert.deepEqual(await origin.statBlob({ ...stat, authorization: 'Bearer of-a-client' }), { size })
  await assert.rejects(origin.statBlob(stat), (error) => {
    return isShoalError(error, 'ORIGIN_DENIED') && /^Bearer realm=/.test(String(error.details.challenge))
  })
  await assert.rejects(origin.statBlob({ ...stat, authorization: 'Bearer wrong' }), (error) =>
    isShoalError(error, 'ORIGIN_DENIED'),
  )
  assert.equal(world.tokens.requests.length, 0)
})

test('the challenge of /v2/ is given verbatim, and none where everybody is let in', async (t) => {
  const header = 'Bearer realm="https://auth.example/token",service="x"'
  const locked = await startServer(t, (_request, response) => {
    response.writeHead(401, { 'www-authenticate': header }).end()
  })
  const origin = open(t, locked.url, { access: 'passthrough' })
  assert.equal(await origin.challenge(never), header)
  assert.deepEqual(locked.paths(), ['GET /v2/'])
  const unlocked = await startServer(t, (_request, response) => void response.end('{}'))
  assert.equal(await open(t, unlocked.url).challenge(never), undefined)
})

for (const hidden of [403, 404]) {
  test(`a private repository that is ${hidden} to strangers opens to the credentials, which /v2/ asks for`, async (t) => {
    const registry = await startServer(t, (request, response) => {
      if (request.headers.authorization === basic) serveBytes(request, response, sample.blob)
      else if (request.url === '/v2/') response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end()
      else
        response.writeHead(hidden, { 'content-type': 'application/json' }).end('{"errors":[{"code":"NAME_UNKNOWN"}]}')
    })
    const origin = open(t, registry.url)
    assert.deepEqual(await origin.statBlob(stat), { size })
    await origin.statBlob(stat)
    assert.deepEqual(registry.paths().filter((path) => path === 'GET /v2/').length, 1, 'asked once')
  })
}

test('a token that is taken back without a new challenge is replaced', async (t) => {
  const world = await TokenWorld.start(t)
  let isSilent = false
  const registry = await startServer(t, (request, response) => {
    const token = (request.headers.authorization ?? '').replace('Bearer ', '')
    if (world.accepted.has(token)) serveBytes(request, response, sample.blob)
    else if (isSilent) response.writeHead(401).end()
    else response.writeHead(401, { 'www-authenticate': `Bearer realm="${world.tokens.url}/token",service="s"` }).end()
  })
  const origin = open(t, registry.url)
  assert.deepEqual(await origin.statBlob(stat), { size })
  isSilent = true
  world.accepted.clear()
  assert.deepEqual(await origin.statBlob(stat), { size })
})

test('an identity token is given to the token server in a form, for a token of the repository', async (t) => {
  const forms: URLSearchParams[] = []
  const tokens = await startServer(t, async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    forms.push(new URLSearchParams(text))
    response.end(JSON.stringify({ access_token: 'mine', expires_in: 300 }))
  })
  realms.push(new URL(tokens.url).host)
  const registry = await startServer(t, (request, response) => {
    if (request.headers.authorization === 'Bearer mine') serveBytes(request, response, sample.blob)
    else response.writeHead(401, { 'www-authenticate': `Bearer realm="${tokens.url}/token",service="s"` }).end()
  })
  const file = join(await tempDir(t), 'config.json')
  await writeFile(file, JSON.stringify({ auths: { [new URL(registry.url).host]: { identitytoken: 'kept' } } }))
  const origin = open(t, registry.url, { credentials: { file } })
  assert.deepEqual(await origin.statBlob(stat), { size })
  assert.equal(tokens.paths()[0], 'POST /token')
  assert.deepEqual(Object.fromEntries(forms[0] ?? []), {
    grant_type: 'refresh_token',
    client_id: 'shoal',
    refresh_token: 'kept',
    service: 's',
    scope: 'repository:team/app:pull',
  })
})
