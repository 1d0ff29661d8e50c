import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { AdminServer } from '../../src/admin/index.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { buildImage } from '../../src/demo/index.ts'
import { PrometheusRegistry } from '../../src/node/index.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { requireDigest } from '../../src/oci/digest.ts'
import type { HintedImage, WebhookRule } from '../../src/webhook/index.ts'
import { Webhooks } from '../../src/webhook/index.ts'
import { adminOptions, MemoryAdminSource, quietEntrances } from '../support/admin-source.ts'
import { DockerRegistry } from '../support/docker-registry.ts'
import { eventually } from '../support/eventually.ts'
import { runtimeTest } from '../support/runtime-test.ts'
import { skopeoPush } from '../support/skopeo-push.ts'
import { TempDir } from '../support/temp-dir.ts'

const TOKEN = 'the-token-of-the-admin-server'
const SECRET = 'the-secret-of-the-rule'
const DIGEST = requireDigest(`sha256:${'ab'.repeat(32)}`)
const RULE = {
  source: 'distribution',
  upstream: 'registry.test',
  repository: 'team/**',
  tag: 'v*',
  secret: SECRET,
} as const

/** A server that takes webhooks, and what they started. */
async function openMirror(
  rules: readonly WebhookRule[],
  resolve = async (_: HintedImage): Promise<Digest | undefined> => DIGEST,
) {
  const started: { image: HintedImage; digest: Digest }[] = []
  const hooks = new Webhooks(
    {
      ...{ clock: systemClock, logger: silentLogger, registry: new PrometheusRegistry(), knows: () => true, resolve },
      submit: async (image, digest) => void started.push({ image, digest }),
      isGone: async () => false,
      purge: async () => {},
    },
    { rules, dedupeMs: 60_000 },
  )
  const deps = { source: new MemoryAdminSource(), metrics: new PrometheusRegistry(), logger: silentLogger }
  const options = adminOptions({ token: TOKEN, isClosed: true })
  const server = await AdminServer.start({ ...deps, ...quietEntrances(), hooks }, options)
  const url = `http://127.0.0.1:${server.address.port}`
  const close = async (): Promise<void> => {
    await server[Symbol.asyncDispose]()
    await hooks[Symbol.asyncDispose]()
  }
  return { url, port: server.address.port, hooks, started, [Symbol.asyncDispose]: close }
}

function rule(change: Partial<WebhookRule> = {}): WebhookRule {
  return { ...RULE, options: {}, purge: false, ...change }
}

function post(url: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> {
  const type = 'application/vnd.docker.distribution.events.v1+json'
  return fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': type, authorization: `Bearer ${SECRET}`, ...headers },
  })
}

const PUSH = JSON.stringify({ events: [{ action: 'push', target: { repository: 'team/app', tag: 'v1' } }] })

describe('the admin server, for webhooks', () => {
  it('takes them by their own secret and answers before the work is done', async () => {
    await using opened = await openMirror([rule()])
    const answer = await post(`${opened.url}/hooks/distribution`, PUSH)
    assert.equal(answer.status, 202)
    assert.deepEqual(await answer.json(), { matched: 1 })
    await opened.hooks.settled()
    assert.equal(opened.started.length, 1)
  })

  it('opens nothing else to that secret, and takes no admin token for it', async () => {
    await using opened = await openMirror([rule()])
    const headers = { authorization: `Bearer ${SECRET}` }
    for (const path of ['/api/v1/status', '/metrics', '/api/v1/pins', '/hooks', '/hooks/']) {
      assert.equal((await fetch(`${opened.url}${path}`, { headers })).status, 401, path)
    }
    const asAdmin = await post(`${opened.url}/hooks/distribution`, PUSH, { authorization: `Bearer ${TOKEN}` })
    assert.equal(asAdmin.status, 401)
    assert.equal((await post(`${opened.url}/hooks/harbor`, PUSH)).status, 404)
    assert.equal((await post(`${opened.url}/hooks/distribution`, '{}')).status, 400)
    assert.equal((await fetch(`${opened.url}/hooks/distribution`, { headers })).status, 401)
  })

  it('takes the bytes as they came, for signatures, and a secret in the path where there is nothing else', async () => {
    await using opened = await openMirror([
      rule({ source: 'ghcr', upstream: 'ghcr.io' }),
      rule({ source: 'dockerhub', upstream: 'docker.io' }),
    ])
    const version = { package_url: 'ghcr.io/team/app:v1', container_metadata: { tag: { name: 'v1' } } }
    const event = {
      action: 'published',
      registry_package: { name: 'app', package_type: 'CONTAINER', package_version: version },
    }
    const body = `${JSON.stringify(event, undefined, 2)}\n`
    const signature = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`
    const headers = { 'content-type': 'application/json', 'x-hub-signature-256': signature, authorization: '' }
    assert.equal((await post(`${opened.url}/hooks/ghcr`, body, headers)).status, 202)
    assert.equal((await post(`${opened.url}/hooks/ghcr`, `${body} `, headers)).status, 401)

    const hub = JSON.stringify({ push_data: { tag: 'v2' }, repository: { repo_name: 'team/app' } })
    assert.equal((await post(`${opened.url}/hooks/dockerhub/${SECRET}`, hub, { authorization: '' })).status, 202)
    assert.equal((await post(`${opened.url}/hooks/dockerhub/wrong`, hub)).status, 401)
    await opened.hooks.settled()
    const tags = opened.started.map(({ image }) => `${image.upstream}/${image.repository}:${image.tag}`)
    assert.deepEqual(tags.sort(), ['docker.io/team/app:v2', 'ghcr.io/team/app:v1'])
  })

  it('sends strangers away before it reads what they send', async () => {
    await using opened = await openMirror([rule()])
    const status = await new Promise<number>((resolve, reject) => {
      const headers = { 'content-length': '100000', 'content-type': 'application/json', authorization: 'Bearer wrong' }
      const request = httpRequest({
        port: opened.port,
        host: '127.0.0.1',
        path: '/hooks/distribution',
        method: 'POST',
        headers,
      })
      request.once('error', reject).once('response', (response) => {
        resolve(response.statusCode ?? 0)
        request.destroy()
      })
      // The body never comes.
      request.flushHeaders()
    })
    assert.equal(status, 401)
    assert.equal((await post(`${opened.url}/hooks/distribution`, Buffer.alloc(600 * 1024, ' '))).status, 413)
  })
})

runtimeTest(
  'a push to a real docker-registry starts the rule that wants it, with what the registry then has',
  { programs: ['docker-registry', 'skopeo'], packages: 'docker-registry skopeo' },
  async () => {
    await using temp = await TempDir.make()
    const place = { url: '' }
    const accept = 'application/vnd.oci.image.manifest.v1+json'
    await using opened = await openMirror([rule()], async ({ repository, tag }) => {
      const answer = await fetch(`${place.url}/v2/${repository}/manifests/${tag}`, {
        method: 'HEAD',
        headers: { accept },
      })
      const digest = answer.headers.get('docker-content-digest')
      return answer.status === 200 && digest !== null ? requireDigest(digest) : undefined
    })
    const notify = { url: `${opened.url}/hooks/distribution`, authorization: `Bearer ${SECRET}` }
    await using registry = await DockerRegistry.start(join(temp.path, 'r'), { notify })
    place.url = registry.url
    const image = await buildImage(join(temp.path, 'built'), { sizeBytes: 1024 * 1024, layerCount: 2 })
    await skopeoPush(join(temp.path, 'push'), image, `${registry.address}/team/app:latest`)
    await skopeoPush(join(temp.path, 'push'), image, `${registry.address}/team/app:v1`)
    await eventually('the push of v1 has started a job', () => opened.started.length > 0)
    await opened.hooks.settled()
    const wanted = { upstream: 'registry.test', repository: 'team/app', tag: 'v1' }
    assert.deepEqual(opened.started, [{ image: wanted, digest: image.manifest.digest }])
  },
)
