import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { z } from 'zod'
import {
  AdminServer,
  apiErrorSchema,
  limitsSchema,
  nodeStatusSchema,
  peersSchema,
  transfersSchema,
} from '../../src/admin/index.ts'
import { isShoalError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/log.ts'
import { PrometheusRegistry } from '../../src/node/index.ts'
import {
  ADMIN_HEADERS,
  ADMIN_TOKEN,
  adminOptions,
  MemoryAdminSource,
  quietEntrances,
  SAMPLE_DIGEST,
  SAMPLE_STATUS,
  SAMPLE_TRANSFER,
} from '../support/admin-source.ts'

const TOKEN = ADMIN_TOKEN

/** As an agent has it by itself; `closed`: where its operator has named a token file. */
async function openMirror({ closed = false } = {}) {
  const source = new MemoryAdminSource()
  const metrics = new PrometheusRegistry()
  metrics.counter('shoal_sent_bytes_total', 'Sent.', { to: ['peer'] }).inc({ to: 'peer' }, 42)
  const deps = { source, metrics, logger: silentLogger, ...quietEntrances() }
  const server = await AdminServer.start(deps, adminOptions({ isClosed: closed }))
  const url = `http://127.0.0.1:${server.address.port}`
  return { server, source, url, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

function send(url: string, method: string, body: unknown, type = 'application/json'): Promise<Response> {
  return fetch(url, { method, headers: { ...ADMIN_HEADERS, 'content-type': type }, body: JSON.stringify(body) })
}

function nested(depth: number): unknown {
  let value: unknown = []
  for (let i = 1; i < depth; i++) value = [value]
  return value
}

async function errorOf(response: Response): Promise<{ status: number; code: string; message: string }> {
  const { error } = apiErrorSchema.parse(await response.json())
  return { status: response.status, ...error }
}

/** One GET with a Host header of choice, which fetch does not allow. */
function statusWithHost(port: number, host: string, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: '127.0.0.1', path: '/api/v1/status', headers: { ...headers, host } })
    request.once('error', reject).once('response', (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0))
    })
    request.end()
  })
}

describe('the admin server', () => {
  it('says that it lives, and whether it is ready and why not', async () => {
    await using opened = await openMirror()
    assert.equal((await fetch(`${opened.url}/healthz`)).status, 200)
    const conditions = { tier: 'ok', origin: 'an origin of docker.io is denied', disk: 'ok' }
    assert.deepEqual(await (await fetch(`${opened.url}/readyz`)).json(), { ready: true, reason: 'ok', conditions })
    opened.source.isReady = false
    const response = await fetch(`${opened.url}/readyz`)
    assert.equal(response.status, 503)
    assert.deepEqual(await response.json(), { ready: false, reason: 'the store is being recovered', conditions })
    assert.equal((await fetch(`${opened.url}/healthz`)).status, 200)
  })

  it('is ready by the conditions that a probe asks for, and by no others', async () => {
    await using opened = await openMirror()
    for (const [want, status] of [
      ['tier,disk', 200],
      ['tier,origin,disk', 503],
      ['', 200],
      ['everything', 400],
    ] as const) {
      assert.equal((await fetch(`${opened.url}/readyz?want=${want}`)).status, status, want)
    }
  })

  it('shows metrics as Prometheus reads them', async () => {
    await using opened = await openMirror()
    const response = await fetch(`${opened.url}/metrics`)
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
    assert.match(await response.text(), /shoal_sent_bytes_total\{to="peer"\} 42/)
  })

  it('shows status, transfers, blobs and peers as its own client reads them', async () => {
    await using opened = await openMirror()
    const get = async (path: string) => (await fetch(`${opened.url}/api/v1/${path}`, { headers: ADMIN_HEADERS })).json()
    assert.deepEqual(nodeStatusSchema.parse(await get('status')), SAMPLE_STATUS)
    assert.deepEqual(transfersSchema.parse(await get('transfers')), { transfers: [SAMPLE_TRANSFER] })
    assert.equal(peersSchema.parse(await get('peers')).peers[0]?.key, 'k')
    const blobs = z.object({ blobs: z.array(z.object({ digest: z.string() })) }).parse(await get('blobs'))
    assert.equal(blobs.blobs[0]?.digest, SAMPLE_DIGEST)
  })

  it('changes the limits it is given, as numbers or sizes, and keeps the others', async () => {
    await using opened = await openMirror()
    const url = `${opened.url}/api/v1/limits`
    const answer = await send(url, 'PATCH', { upload: '100MiB', origin: 5 })
    assert.deepEqual(limitsSchema.parse(await answer.json()), {
      upload: 104_857_600,
      download: 0,
      origin: 5,
      prewarm: 0,
    })
    await send(url, 'PATCH', { upload: 0 })
    assert.deepEqual(await (await fetch(url)).json(), { upload: 0, download: 0, origin: 5, prewarm: 0 })
  })

  it('forgets a tag and says what it was', async () => {
    await using opened = await openMirror()
    const url = `${opened.url}/api/v1/invalidate`
    assert.deepEqual(await (await send(url, 'POST', { reference: 'docker.io/library/a:1' })).json(), {
      reference: 'docker.io/library/a:1',
      digest: SAMPLE_DIGEST,
      everywhere: true,
    })
    assert.deepEqual(opened.source.invalidated, ['docker.io/library/a:1'])
    const cold = z.object({ digest: z.null() }).parse(await (await send(url, 'POST', { reference: 'a:cold' })).json())
    assert.equal(cold.digest, null)
  })

  it('answers errors as JSON, with a code, and none of its insides', async () => {
    await using opened = await openMirror()
    const api = `${opened.url}/api/v1`
    const unknown = await errorOf(await fetch(`${api}/nothing`))
    assert.deepEqual([unknown.status, unknown.code], [404, 'NOT_FOUND'])
    const cases: readonly [answer: Response, status: number, code: string][] = [
      [await send(`${api}/limits`, 'PATCH', { uplod: 1 }), 400, 'BODY_INVALID'],
      [await send(`${api}/limits`, 'PATCH', { upload: 'lots' }), 400, 'BODY_INVALID'],
      [await send(`${api}/limits`, 'PATCH', { upload: -1 }), 400, 'BODY_INVALID'],
      [await send(`${api}/invalidate`, 'POST', {}), 400, 'BODY_INVALID'],
      [await send(`${api}/invalidate`, 'POST', nested(1_001)), 400, 'BODY_INVALID'],
      [await send(`${api}/invalidate`, 'POST', { reference: 'x'.repeat(601) }), 400, 'BODY_INVALID'],
      [await send(`${api}/invalidate`, 'POST', { reference: 'Bad Name' }), 400, 'REFERENCE_INVALID'],
      [await send(`${api}/invalidate`, 'POST', { reference: `a@${SAMPLE_DIGEST}` }), 503, 'UNAVAILABLE'],
      [await send(`${api}/invalidate`, 'POST', { reference: 'x'.repeat(100_000) }), 413, 'BAD_REQUEST'],
      [await send(`${api}/invalidate`, 'POST', { reference: 'a:1' }, 'text/plain'), 415, 'BAD_REQUEST'],
      [await fetch(`${api}/limits`, { method: 'PATCH', headers: JSON_TYPE, body: '{' }), 400, 'BAD_REQUEST'],
    ]
    for (const [answer, status, code] of cases) {
      const error = await errorOf(answer)
      assert.deepEqual([error.status, error.code], [status, code], error.message)
    }
    const boom = await errorOf(await send(`${api}/invalidate`, 'POST', { reference: 'a:boom' }))
    assert.deepEqual([boom.status, boom.code], [500, 'INTERNAL'])
    assert.doesNotMatch(boom.message, /secret/)
  })

  it('refuses what a web page of another site sends, on every path, and asks nobody for it', async () => {
    for (const closed of [false, true]) {
      await using opened = await openMirror({ closed })
      for (const path of ['/healthz', '/metrics', '/api/v1/status', '/hooks/distribution']) {
        const error = await errorOf(
          await fetch(`${opened.url}${path}`, { headers: { 'sec-fetch-site': 'cross-site' } }),
        )
        assert.deepEqual([error.status, error.code], [403, 'SITE_REFUSED'], path)
      }
      const headers = { ...JSON_TYPE, origin: 'https://evil.example', authorization: `Bearer ${TOKEN}` }
      const body = JSON.stringify({ reference: 'docker.io/library/a:1' })
      assert.equal((await fetch(`${opened.url}/api/v1/invalidate`, { method: 'POST', headers, body })).status, 403)
      assert.deepEqual(opened.source.invalidated, [])
    }
  })

  it('answers for its health beside any number of connections that say nothing, or half of something', async () => {
    await using opened = await openMirror()
    const sockets = Array.from({ length: 300 }, (_, i) => {
      const socket = connect(opened.server.address.port, '127.0.0.1', () => {
        if (i % 2 === 0) socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n')
      })
      return socket.on('error', () => {})
    })
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
    for (let i = 0; i < 3; i++) assert.equal((await fetch(`${opened.url}/healthz`)).status, 200)
    for (const socket of sockets) socket.destroy()
  })

  it('refuses Host headers that are no name of this machine, against DNS rebinding', async () => {
    await using opened = await openMirror()
    const { port } = opened.server.address
    for (const host of [`127.0.0.1:${port}`, 'localhost', `LOCALHOST:${port}`, '[::1]:7072', '127.0.0.9']) {
      assert.equal(await statusWithHost(port, host), 200, host)
    }
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1.evil.example',
      '10.0.0.1',
      '[2001:db8::1]',
    ]) {
      assert.equal(await statusWithHost(port, host), 403, host)
    }
  })

  it('survives requests that are no HTTP', async () => {
    await using opened = await openMirror()
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(opened.server.address.port, '127.0.0.1', () => socket.end('\u0000nonsense\r\n\r\n'))
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk.toString()
      })
      socket.once('error', reject).once('close', () => resolve(text))
    })
    assert.match(answer, /^HTTP\/1\.1 400 /)
    assert.equal((await fetch(`${opened.url}/healthz`)).status, 200)
  })
})

const JSON_TYPE = { ...ADMIN_HEADERS, 'content-type': 'application/json' }

describe('the admin server with a token', () => {
  it('asks for it everywhere but at the probes', async () => {
    await using opened = await openMirror({ closed: true })
    for (const path of ['/healthz', '/readyz', '/readyz?verbose']) {
      assert.equal((await fetch(`${opened.url}${path}`)).status, 200, path)
    }
    for (const path of [
      '/metrics',
      '/api/v1/status',
      '/api/v1/nothing',
      '/nothing',
      '/healthz/../metrics',
      '//healthz',
    ]) {
      const error = await errorOf(await fetch(`${opened.url}${path}`))
      assert.deepEqual([error.status, error.code], [401, 'TOKEN_REQUIRED'], path)
    }
  })

  it('opens to the right token only, under any Host', async () => {
    await using opened = await openMirror({ closed: true })
    const status = async (authorization: string) =>
      (await fetch(`${opened.url}/api/v1/status`, { headers: { authorization } })).status
    assert.equal(await status(`Bearer ${TOKEN}`), 200)
    assert.equal(await status(`bearer ${TOKEN}`), 200)
    for (const wrong of [`Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, 'Bearer', TOKEN, `Basic ${TOKEN}`]) {
      assert.equal(await status(wrong), 401, wrong)
    }
    const { port } = opened.server.address
    assert.equal(await statusWithHost(port, 'shoal-1.example:7072', { authorization: `Bearer ${TOKEN}` }), 200)
  })
})

describe('opening and closing the admin server', () => {
  it('says which address is taken', async () => {
    await using opened = await openMirror()
    const { port } = opened.server.address
    const deps = { source: opened.source, metrics: new PrometheusRegistry(), logger: silentLogger, ...quietEntrances() }
    await assert.rejects(AdminServer.start(deps, adminOptions({ listen: opened.server.address })), (error: unknown) => {
      return isShoalError(error, 'CONFIG_INVALID') && error.message.includes(`127.0.0.1:${port}`)
    })
  })

  it('closes at once with clients connected, twice without harm', async () => {
    const opened = await openMirror()
    const socket = connect(opened.server.address.port, '127.0.0.1')
    await new Promise((resolve) => socket.once('connect', resolve))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => {})
    await opened.server[Symbol.asyncDispose]()
    await opened.server[Symbol.asyncDispose]()
    await closed
    await assert.rejects(fetch(`${opened.url}/healthz`))
  })
})
