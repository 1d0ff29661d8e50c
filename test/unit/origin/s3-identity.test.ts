import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { S3OriginSettings } from '../../../src/origin/index.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import { deps, never, sampleRepository, serveBytes, startServer, tempDir } from './fixtures.ts'

const sample = sampleRepository()
const query = { repository: sample.repository, signal: never, tag: sample.tag }

/** In whose name and for which region a request was signed. */
function signerOf({ headers }: IncomingMessage): {
  readonly key: string
  readonly region: string
  readonly token: string
} {
  const [, key = '', , region = ''] = /Credential=([^/]+)\/([^/]+)\/([^/]+)\//.exec(headers.authorization ?? '') ?? []
  return { key, region, token: String(headers['x-amz-security-token'] ?? '') }
}

/** A store with the sample's objects that keeps its requests. */
function openStore(
  t: TestContext,
  before: (request: IncomingMessage, response: ServerResponse) => boolean = () => false,
) {
  return startServer(t, (request, response) => {
    if (before(request, response)) return
    const key = (request.url ?? '').split('?', 1)[0]?.replace('/images/', '') ?? ''
    const bytes = sample.files.get(key)
    if (bytes === undefined) response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>')
    else serveBytes(request, response, bytes)
  })
}

async function resolve(t: TestContext, endpoint: string, settings: Partial<S3OriginSettings>): Promise<void> {
  const usual = {
    kind: 's3',
    bucket: 'images',
    prefix: '',
    region: 'us-east-1',
    endpoint,
    forcePathStyle: true,
  } as const
  const origin = openOrigin({ ...usual, ...settings }, deps)
  t.after(() => origin[Symbol.asyncDispose]())
  const found = await origin.resolveTag(query)
  assert.equal(found.kind === 'found' && found.state.digest, sample.manifestDigest)
}

/** This process's environment with these variables and no other of AWS, until the test ends. */
function environment(t: TestContext, variables: Record<string, string>): void {
  const before = { ...process.env }
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name]
  const none = {
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
    AWS_CONFIG_FILE: '/nonexistent',
  }
  Object.assign(process.env, none, variables)
  t.after(() => {
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name]
    Object.assign(process.env, before)
  })
}

const EXPIRES = new Date(Date.now() + 3_600_000).toISOString()
const TEMPORARY = { AccessKeyId: 'TEMP', SecretAccessKey: 's', Token: 'session', Expiration: EXPIRES }

/** What AWS's token service answers to both of its questions. */
async function openTokenService(t: TestContext) {
  const bodies: string[] = []
  const server = await startServer(t, async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    bodies.push(body)
    const action = new URLSearchParams(body).get('Action')
    const keys = `<Credentials><AccessKeyId>TEMP</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>session</SessionToken><Expiration>${EXPIRES}</Expiration></Credentials>`
    response.writeHead(200, { 'content-type': 'text/xml' })
    response.end(`<${action}Response><${action}Result>${keys}</${action}Result></${action}Response>`)
  })
  return { url: server.url, bodies }
}

test('an anonymous bucket is asked without a signature', async (t) => {
  environment(t, { AWS_ACCESS_KEY_ID: 'ENV', AWS_SECRET_ACCESS_KEY: 's' })
  const store = await openStore(t)
  await resolve(t, store.url, { credentials: 'anonymous' })
  assert.ok(store.requests.every(({ headers }) => headers.authorization === undefined))
})

test('keys are those of the configuration, with their session token', async (t) => {
  environment(t, { AWS_ACCESS_KEY_ID: 'ENV', AWS_SECRET_ACCESS_KEY: 's' })
  const store = await openStore(t)
  await resolve(t, store.url, { credentials: { accessKeyId: 'OWN', secretAccessKey: 's', sessionToken: 'st' } })
  assert.deepEqual(signerOf(store.requests[0]!), { key: 'OWN', region: 'us-east-1', token: 'st' })
})

test('without any, the chain of the environment counts: variables', async (t) => {
  environment(t, { AWS_ACCESS_KEY_ID: 'ENV', AWS_SECRET_ACCESS_KEY: 's' })
  const store = await openStore(t)
  await resolve(t, store.url, { credentials: null })
  assert.equal(signerOf(store.requests[0]!).key, 'ENV')
})

test('a profile of the AWS files is used by its name', async (t) => {
  const file = join(await tempDir(t), 'credentials')
  await writeFile(
    file,
    '[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s\n[reader]\naws_access_key_id = READER\naws_secret_access_key = s\n',
  )
  environment(t, { AWS_SHARED_CREDENTIALS_FILE: file })
  const store = await openStore(t)
  await resolve(t, store.url, { credentials: { profile: 'reader' } })
  assert.equal(signerOf(store.requests[0]!).key, 'READER')
})

test("a container's credentials are asked for at the address in the environment", async (t) => {
  const vendor = await startServer(t, (_request, response) => void response.end(JSON.stringify(TEMPORARY)))
  environment(t, {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${vendor.url}/creds`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'let-me',
  })
  const store = await openStore(t)
  await resolve(t, store.url, { credentials: null })
  assert.equal(vendor.requests[0]?.headers.authorization, 'let-me')
  assert.deepEqual(signerOf(store.requests[0]!), { key: 'TEMP', region: 'us-east-1', token: 'session' })
})

test('a web identity (as Kubernetes gives to a service account) is given for a role', async (t) => {
  const service = await openTokenService(t)
  const file = join(await tempDir(t), 'token')
  await writeFile(file, 'a-jwt')
  environment(t, {
    AWS_WEB_IDENTITY_TOKEN_FILE: file,
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/reader',
    AWS_ENDPOINT_URL_STS: service.url,
    AWS_REGION: 'us-east-1',
  })
  const store = await openStore(t)
  await resolve(t, store.url, { credentials: null })
  assert.match(service.bodies.join(), /AssumeRoleWithWebIdentity.*a-jwt/)
  assert.equal(signerOf(store.requests[0]!).token, 'session')
})

test('a role of the configuration is taken on, with what its owner asks for', async (t) => {
  const service = await openTokenService(t)
  environment(t, {
    AWS_ACCESS_KEY_ID: 'ENV',
    AWS_SECRET_ACCESS_KEY: 's',
    AWS_ENDPOINT_URL_STS: service.url,
    AWS_REGION: 'us-east-1',
  })
  const store = await openStore(t)
  const role = 'arn:aws:iam::123456789012:role/reader'
  await resolve(t, store.url, { credentials: { role, externalId: 'fleet-7' } })
  const asked = new URLSearchParams(service.bodies[0])
  assert.deepEqual(
    [asked.get('Action'), asked.get('RoleArn'), asked.get('ExternalId')],
    ['AssumeRole', role, 'fleet-7'],
  )
  assert.deepEqual(signerOf(store.requests[0]!), { key: 'TEMP', region: 'us-east-1', token: 'session' })
})

test('a bucket in another region is found there, when the store says which', async (t) => {
  environment(t, {})
  const store = await openStore(t, (request, response) => {
    if (signerOf(request).region === 'eu-west-1') return false
    response.writeHead(301, { 'x-amz-bucket-region': 'eu-west-1', 'content-type': 'application/xml' })
    response.end('<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>')
    return true
  })
  await resolve(t, store.url, { credentials: { accessKeyId: 'a', secretAccessKey: 'b' } })
  assert.equal(signerOf(store.requests.at(-1)!).region, 'eu-west-1')
})

test("an access point's ARN leads to its own host, in its own region", async (t) => {
  environment(t, {})
  const tunnels: string[] = []
  const proxy = createServer().on('connect', (request, socket) => {
    tunnels.push(request.url ?? '')
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  })
  await new Promise<void>((ready) => proxy.listen(0, '127.0.0.1', ready))
  t.after(() => proxy.close())
  const bucket = 'arn:aws:s3:eu-central-1:123456789012:accesspoint/images-ap'
  const asked = resolve(t, 'unused', {
    bucket,
    endpoint: null,
    forcePathStyle: false,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
  })
  await assert.rejects(asked)
  assert.equal(tunnels[0], 'images-ap-123456789012.s3-accesspoint.eu-central-1.amazonaws.com:443')
})
