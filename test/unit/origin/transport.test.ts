import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, request as forward } from 'node:http'
import type { ServerOptions } from 'node:https'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import type { OriginTransport, RegistryOriginSettings } from '../../../src/origin/index.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import { deps, never, readAll, sampleRepository, serveBytes, startServer, tempDir } from './fixtures.ts'

const sample = sampleRepository()
const size = sample.blob.length
const read = {
  repository: sample.repository,
  signal: never,
  digest: sample.blobDigest,
  size,
  range: { start: 0, end: size },
}

function serveBlob(request: IncomingMessage, response: ServerResponse): void {
  serveBytes(request, response, sample.blob)
}

/** An authority that nobody knows, with a certificate for 127.0.0.1 and one for a client. */
async function makeAuthority(t: TestContext) {
  const dir = await tempDir(t)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test authority')
  for (const name of ['server', 'client']) {
    const issued = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'subjectAltName=IP:127.0.0.1']
    openssl(
      'req',
      '-x509',
      ...newKey,
      ...issued,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-subj',
      `/CN=${name}`,
    )
  }
  const file = (name: string): string => join(dir, name)
  return { file, server: { key: readFileSync(file('server.key')), cert: readFileSync(file('server.pem')) } }
}

async function startTls(t: TestContext, options: ServerOptions, handler = serveBlob): Promise<string> {
  const server = createTlsServer(options, handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A forward proxy that brings every request to one place, whatever name it is for. */
async function startProxy(t: TestContext, target: string) {
  const asked: string[] = []
  const { hostname, port } = new URL(target)
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const path = new URL(request.url ?? '').pathname
    const onward = forward({ hostname, port, path, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    request.pipe(onward)
  })
  server.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`)
    const onward = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    onward.on('error', () => socket.destroy())
    socket.on('error', () => onward.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

function open(t: TestContext, url: string, settings: Partial<RegistryOriginSettings> = {}) {
  const origin = openOrigin({ kind: 'registry', url, access: 'public', ...settings }, deps)
  t.after(() => origin[Symbol.asyncDispose]())
  return origin
}

function bucket(t: TestContext, endpoint: string, settings: OriginTransport) {
  const origin = openOrigin(
    {
      kind: 's3',
      bucket: 'images',
      prefix: '',
      region: 'us-east-1',
      endpoint,
      forcePathStyle: true,
      credentials: 'anonymous',
      ...settings,
    },
    deps,
  )
  t.after(() => origin[Symbol.asyncDispose]())
  return origin
}

/** Sets variables of this process for one test. */
function setEnvironment(t: TestContext, values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) {
    const before = process.env[name]
    process.env[name] = value
    t.after(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
  }
}

const NO_TRUST = (error: unknown): boolean =>
  isShoalError(error, 'ORIGIN_UNREACHABLE') && /certificate/.test(error.message)

test('a registry of a private authority is believed with tls.ca, and without it is not', async (t) => {
  const { file, server } = await makeAuthority(t)
  const url = await startTls(t, server)
  await assert.rejects(open(t, url).readBlob(read), NO_TRUST)
  const origin = open(t, url, { tls: { ca: file('ca.pem') } })
  assert.ok((await readAll(await origin.readBlob(read))).equals(sample.blob))
})

test('a registry that wants a client certificate gets the one of tls.cert', async (t) => {
  const { file, server } = await makeAuthority(t)
  const url = await startTls(t, { ...server, ca: readFileSync(file('ca.pem')), requestCert: true })
  const ca = file('ca.pem')
  await assert.rejects(open(t, url, { tls: { ca } }).readBlob(read), (error) =>
    isShoalError(error, 'ORIGIN_UNREACHABLE'),
  )
  const origin = open(t, url, { tls: { ca, cert: file('client.pem'), key: file('client.key') } })
  assert.ok((await readAll(await origin.readBlob(read))).equals(sample.blob))
})

test('a TLS file that is not there stops the start, by name', () => {
  assert.throws(
    () => openOrigin({ kind: 'registry', url: 'https://r.test', access: 'public', tls: { ca: '/nowhere.pem' } }, deps),
    (error) => isShoalError(error, 'CONFIG_INVALID') && /tls\.ca: \/nowhere\.pem/.test(error.message),
  )
})

test('a configured proxy carries http, and https as a tunnel, for names that only it knows', async (t) => {
  const plain = await startServer(t, serveBlob)
  const proxy = await startProxy(t, plain.url)
  const origin = open(t, 'http://registry.corp.invalid', { proxy: proxy.url })
  assert.ok((await readAll(await origin.readBlob(read))).equals(sample.blob))
  assert.match(proxy.asked[0] ?? '', /^http:\/\/registry\.corp\.invalid\/v2\//)

  const { file, server } = await makeAuthority(t)
  const tunnel = await startProxy(t, await startTls(t, server))
  const secure = open(t, 'https://127.0.0.1:1', { proxy: tunnel.url, tls: { ca: file('ca.pem') } })
  assert.ok((await readAll(await secure.readBlob(read))).equals(sample.blob))
  assert.deepEqual(tunnel.asked, ['CONNECT 127.0.0.1:1'])
})

test('the environment names the proxy where the configuration does not; NO_PROXY and none go past it', async (t) => {
  const plain = await startServer(t, serveBlob)
  const proxy = await startProxy(t, plain.url)
  setEnvironment(t, { HTTP_PROXY: proxy.url, http_proxy: proxy.url, NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' })
  await readAll(await open(t, 'http://registry.corp.invalid').readBlob(read))
  assert.equal(proxy.asked.length, 1)
  await readAll(await open(t, plain.url).readBlob(read))
  assert.equal(proxy.asked.length, 1)
  await assert.rejects(open(t, 'http://registry.corp.invalid', { proxy: 'none' }).readBlob(read))
  assert.equal(proxy.asked.length, 1)
})

test('a bucket goes through the same proxy and believes the same authorities', async (t) => {
  const objects = (request: IncomingMessage, response: ServerResponse): void => {
    const key = (request.url ?? '').split('?', 1)[0]?.replace('/images/', '') ?? ''
    const bytes = sample.files.get(key)
    if (bytes === undefined) response.writeHead(404).end()
    else serveBytes(request, response, bytes)
  }
  const plain = await startServer(t, objects)
  const proxy = await startProxy(t, plain.url)
  const proxied = bucket(t, 'http://storage.corp.invalid', { proxy: proxy.url })
  assert.ok((await readAll(await proxied.readBlob(read))).equals(sample.blob))
  assert.equal(plain.requests[0]?.headers.authorization, undefined, 'anonymous')

  const { file, server } = await makeAuthority(t)
  const url = await startTls(t, server, objects)
  await assert.rejects(bucket(t, url, {}).readBlob(read), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'))
  const believed = bucket(t, url, { tls: { ca: file('ca.pem') } })
  assert.ok((await readAll(await believed.readBlob(read))).equals(sample.blob))
})

test('https redirects to http only where the operator says so', async (t) => {
  const storage = await startServer(t, serveBlob)
  const { file, server } = await makeAuthority(t)
  const url = await startTls(t, server, (_request, response) => {
    response.writeHead(307, { location: `${storage.url}/signed` }).end()
  })
  const tls = { ca: file('ca.pem') }
  await assert.rejects(open(t, url, { tls }).readBlob(read), /set insecureRedirects: true/)
  assert.equal(storage.requests.length, 0)
  const origin = open(t, url, { tls, insecureRedirects: true })
  assert.ok((await readAll(await origin.readBlob(read))).equals(sample.blob))
})

test('how long an answer may take is the configuration’s', async (t) => {
  const silent = await startServer(t, () => {})
  const origin = open(t, silent.url, { timeouts: { headersMs: 1 } })
  await assert.rejects(origin.readBlob(read), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'))
})
