import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { MEDIA_TYPE } from '../../src/oci/manifest.ts'
import type { Asking, Reply } from '../support/ask-mirror.ts'
import { askMirror, errorCode } from '../support/ask-mirror.ts'
import { eventually } from '../support/eventually.ts'
import { MemoryContent } from '../support/memory-content.ts'
import type { OpenMirror } from '../support/open-mirror.ts'
import { openMirror } from '../support/open-mirror.ts'

// Odd spacing and key order: nothing may re-serialise it.
const MANIFEST = Buffer.from(
  `{ "schemaVersion":2,\n "mediaType": "${MEDIA_TYPE.dockerManifest}", "config":{} , "layers":[]}`,
)
const HUB_MANIFEST = Buffer.from('{"schemaVersion":2,"hub":true}')
const SUBJECT = digestOf(Buffer.from('a subject'))

const content = new MemoryContent()
let open: OpenMirror

const ask = (path: string, asking?: Asking): Promise<Reply> => askMirror(open, path, asking)

before(async () => {
  content.putManifest('local', 'app', MANIFEST, { tag: 'v1', mediaType: MEDIA_TYPE.dockerManifest })
  for (const tag of ['v2', 'v3', 'a']) {
    content.putManifest('local', 'app', MANIFEST, { tag, mediaType: MEDIA_TYPE.dockerManifest })
  }
  content.putManifest('docker.io', 'library/busybox', HUB_MANIFEST, {
    tag: 'latest',
    mediaType: MEDIA_TYPE.ociManifest,
  })
  content.putManifest('registry.corp:5000', 'team/app', MANIFEST, { tag: 'v1', mediaType: MEDIA_TYPE.ociManifest })
  content.refuse('denied.corp', 'denied')
  content.refuse('down.corp', 'unavailable')
  content.refuse('private.corp', 'denied', 'Bearer realm="https://auth.corp/token",service="corp"')
  content.challenges.set('private.corp', 'Bearer realm="https://auth.corp/token",service="corp"')
  open = await openMirror(content)
})

after(async () => {
  await open[Symbol.asyncDispose]()
})

describe('GET /v2/', () => {
  for (const path of ['/v2/', '/v2']) {
    it(`${path} is 200 and asks nobody`, async () => {
      const unasked = new MemoryContent().addUpstream('local')
      await using other = await openMirror(unasked)
      const reply = await askMirror(other, path)
      assert.equal(reply.status, 200)
      assert.equal(reply.headers['docker-distribution-api-version'], 'registry/2.0')
      assert.equal(unasked.asked.length, 0)
    })
  }
  it('answers HEAD with the headers of GET', async () => {
    const [get, head] = [await ask('/v2/'), await ask('/v2/', { method: 'HEAD' })]
    assert.equal(head.status, get.status)
    assert.equal(head.headers['content-length'], get.headers['content-length'])
    assert.equal(head.body.length, 0)
  })
  it('leads to tokens of its own where an upstream wants a proof, and asks nobody either', async () => {
    const asked = content.asked.length
    const reply = await ask('/v2/')
    assert.equal(reply.status, 401)
    const realm = `${open.url}/v2/token`
    assert.equal(reply.headers['www-authenticate'], `Bearer realm="${realm}",service="shoal"`)
    const { body } = await ask('/v2/token?service=shoal')
    const { token } = JSON.parse(body.toString())
    assert.equal((await ask('/v2/', { headers: { authorization: `Bearer ${token}` } })).status, 200)
    assert.equal(content.asked.length, asked)
  })
  it('relays the challenge of a passthrough upstream until the client proves itself', async () => {
    const reply = await ask('/v2/?ns=private.corp')
    assert.equal(reply.status, 401)
    assert.equal(reply.headers['www-authenticate'], 'Bearer realm="https://auth.corp/token",service="corp"')
    assert.equal(errorCode(reply), 'UNAUTHORIZED')
    assert.equal((await ask('/v2/?ns=private.corp', { headers: { authorization: 'Bearer t' } })).status, 200)
  })
  it('off loopback challenges for the first upstream of the search order, with its own challenge', async () => {
    await using other = await openMirror(content, {
      search: ['private.corp', 'local'],
      selfHosts: () => ['mirror.corp'],
    })
    const reply = await askMirror(other, '/v2/', { headers: { host: 'mirror.corp' } })
    assert.equal(reply.status, 401)
    assert.equal(reply.headers['www-authenticate'], 'Bearer realm="https://auth.corp/token",service="corp"')
  })
})

describe('manifests', () => {
  const digest = digestOf(MANIFEST)

  it('go through byte for byte, under their stored type, with exact headers', async () => {
    const reply = await ask('/v2/app/manifests/v1')
    assert.equal(reply.status, 200)
    assert.deepEqual(reply.body, MANIFEST)
    assert.equal(reply.headers['content-type'], MEDIA_TYPE.dockerManifest)
    assert.equal(reply.headers['content-length'], String(MANIFEST.length))
    assert.equal(reply.headers['docker-content-digest'], digest)
    assert.equal(reply.headers.etag, `"${digest}"`)
    assert.equal(reply.headers['x-shoal-source'], 'home')
    assert.equal(reply.headers['content-encoding'], undefined)
    assert.equal(reply.headers['transfer-encoding'], undefined)
    assert.equal(reply.headers['x-shoal-stale'], undefined)
  })

  it('by digest, also percent-encoded and of sha512', async () => {
    const long = content.putManifest('local', 'app', HUB_MANIFEST, {
      mediaType: MEDIA_TYPE.ociIndex,
      algorithm: 'sha512',
    })
    for (const reference of [digest, digest.replace(':', '%3A'), long]) {
      const reply = await ask(`/v2/app/manifests/${reference}`)
      assert.equal(reply.status, 200)
      assert.equal(reply.headers['docker-content-digest'], decodeURIComponent(reference))
    }
  })

  it('HEAD has the headers of GET and no body, with and without Accept', async () => {
    const get = await ask('/v2/app/manifests/v1')
    for (const headers of [{}, { accept: '*/*' }]) {
      const head = await ask('/v2/app/manifests/v1', { method: 'HEAD', headers })
      assert.equal(head.status, 200)
      assert.equal(head.body.length, 0)
      for (const name of ['content-type', 'content-length', 'docker-content-digest', 'etag']) {
        assert.equal(head.headers[name], get.headers[name])
      }
    }
  })

  it('are served whatever Accept says: several lines, q-values, other types only', async () => {
    const accepts = [
      ['application/vnd.oci.image.manifest.v1+json', 'application/json;q=0.1', '*/*;q=0'],
      ['text/html'],
      ['application/vnd.docker.distribution.manifest.v1+prettyjws'],
      ['', ';;q=x'],
    ]
    for (const accept of accepts) {
      const reply = await ask('/v2/app/manifests/v1', { headers: { accept } })
      assert.equal(reply.status, 200)
      assert.equal(reply.headers['content-type'], MEDIA_TYPE.dockerManifest)
    }
  })

  it('answer 304 to If-None-Match in all its forms, and 412 to If-Match of another', async () => {
    for (const tag of [`"${digest}"`, digest, `W/"${digest}"`, `"x", "${digest}"`, '*']) {
      const reply = await ask('/v2/app/manifests/v1', { headers: { 'if-none-match': tag } })
      assert.equal(reply.status, 304)
      assert.equal(reply.body.length, 0)
      assert.equal(reply.headers.etag, `"${digest}"`)
      assert.equal(reply.headers['docker-content-digest'], digest)
    }
    assert.equal((await ask('/v2/app/manifests/v1', { headers: { 'if-none-match': '"x"' } })).status, 200)
    assert.equal((await ask('/v2/app/manifests/v1', { headers: { 'if-match': '"x"' } })).status, 412)
    assert.equal((await ask('/v2/app/manifests/v1', { headers: { 'if-match': `"${digest}"` } })).status, 200)
  })

  it('say when they are the last known answer', async () => {
    content.putManifest('local', 'old', MANIFEST, { tag: 'v1', mediaType: MEDIA_TYPE.ociManifest, stale: true })
    assert.equal((await ask('/v2/old/manifests/v1')).headers['x-shoal-stale'], 'true')
  })

  it('that nobody has are 404 MANIFEST_UNKNOWN, and impossible digests 400 DIGEST_INVALID', async () => {
    assert.equal(errorCode(await ask('/v2/app/manifests/none')), 'MANIFEST_UNKNOWN')
    assert.equal((await ask('/v2/app/manifests/.INVALID_MANIFEST_NAME')).status, 404)
    for (const reference of ['sha256:totallywrong', `md5:${'0'.repeat(32)}`, digest.toUpperCase()]) {
      const reply = await ask(`/v2/app/manifests/${reference}`)
      assert.equal(reply.status, 400)
      assert.equal(errorCode(reply), 'DIGEST_INVALID')
    }
  })

  it('with a type that cannot be a header are 404, without traces of the first attempt', async () => {
    content.putManifest('local', 'split', MANIFEST, { tag: 'v1', mediaType: 'text/html\r\nSet-Cookie: a=b' })
    const reply = await ask('/v2/split/manifests/v1')
    assert.equal(reply.status, 404)
    assert.equal(reply.headers['set-cookie'], undefined)
    assert.equal(reply.headers.etag, undefined)
    assert.equal(errorCode(reply), 'MANIFEST_UNKNOWN')
  })
})

describe('the upstream', () => {
  it('is the one ns names, decoded, and is named back', async () => {
    const reply = await ask('/v2/team/app/manifests/v1?ns=registry.corp%3A5000')
    assert.equal(reply.status, 200)
    assert.equal(reply.headers['oci-namespace'], 'registry.corp:5000')
    assert.equal((await ask('/v2/team/app/manifests/v1')).headers['oci-namespace'], undefined)
  })
  it('is the first component that is a known host, a port written with an underscore', async () => {
    assert.equal((await ask('/v2/registry.corp_5000/team/app/manifests/v1')).status, 200)
    assert.equal((await ask('/v2/unknown.corp_5000/team/app/manifests/v1')).status, 404)
  })
  it('with a port is named with a colon, an underscore, by ns, and by both', async () => {
    for (const path of [
      'registry.corp:5000/team/app/manifests/v1',
      'registry.corp%3A5000/team/app/manifests/v1',
      'Registry.CORP:5000/team/app/manifests/v1',
      'registry.corp_5000/team/app/manifests/v1',
      'team/app/manifests/v1?ns=registry.corp:5000',
      'team/app/manifests/v1?ns=REGISTRY.corp%3A5000',
      'registry.corp:5000/team/app/manifests/v1?ns=registry.corp:5000',
      'registry.corp_5000/team/app/manifests/v1?ns=registry.corp%3a5000',
    ]) {
      const reply = await ask(`/v2/${path}`)
      assert.equal(reply.status, 200, path)
      assert.deepEqual(reply.body, MANIFEST)
    }
    for (const path of ['registry.corp:5001/team/app/manifests/v1', 'registry.corp:5000/app/manifests/v1?ns=local']) {
      const reply = await ask(`/v2/${path}`)
      assert.equal(reply.status, 404, path)
      assert.equal(errorCode(reply), 'NAME_UNKNOWN')
    }
  })
  it('is found in the search order, with library/ for Docker Hub only', async () => {
    const from = content.asked.length
    assert.deepEqual((await ask('/v2/busybox/manifests/latest')).body, HUB_MANIFEST)
    assert.deepEqual(
      content.asked.slice(from).map(({ ref }) => `${ref.upstream}/${ref.repository}`),
      ['local/busybox', 'docker.io/library/busybox'],
    )
  })
  it('that is not configured is 404 NAME_UNKNOWN, and nobody is asked', async () => {
    const from = content.asked.length
    for (const ns of ['evil.example', '169.254.169.254', '127.0.0.1:1']) {
      const reply = await ask(`/v2/app/manifests/v1?ns=${ns}`)
      assert.equal(reply.status, 404)
      assert.equal(errorCode(reply), 'NAME_UNKNOWN')
    }
    assert.equal(content.asked.length, from)
  })
  it('named twice, or not as a host, is 400', async () => {
    for (const query of ['ns=local&ns=docker.io', 'ns=', 'ns=a%2Fb', 'ns=x%0d%0aA:b']) {
      const reply = await ask(`/v2/app/manifests/v1?${query}`)
      assert.equal(reply.status, 400)
      assert.equal(errorCode(reply), 'NAME_INVALID')
    }
  })
  it('gets the Authorization of the client, which is logged nowhere', async () => {
    await ask('/v2/app/manifests/v1', { headers: { authorization: 'Bearer very-secret' } })
    assert.equal(content.asked.at(-1)?.ref.authorization, 'Bearer very-secret')
    assert.ok(!JSON.stringify(open.log).includes('very-secret'))
  })
})

describe('refusals', () => {
  const paths: [path: string, code: string][] = [
    ['manifests/v1', 'MANIFEST_UNKNOWN'],
    [`blobs/${SUBJECT}`, 'BLOB_UNKNOWN'],
    ['tags/list', 'NAME_UNKNOWN'],
  ]
  for (const upstream of ['denied.corp', 'down.corp', 'docker.io']) {
    for (const [path, code] of paths) {
      for (const method of ['GET', 'HEAD']) {
        it(`of ${upstream} are 404 ${code} for ${method} ${path.slice(0, 12)}`, async () => {
          // what Docker Hub does not have may be at the upstreams that are searched before it
          const name = upstream === 'docker.io' ? 'absent' : 'app'
          const reply = await ask(`/v2/${name}/${path}?ns=${upstream}`, { method })
          assert.equal(reply.status, 404)
          if (method === 'GET') assert.equal(errorCode(reply), code)
          else assert.ok(Number(reply.headers['content-length']) > 0)
        })
      }
    }
  }
  it('for want of proof are 401 with the challenge of the upstream', async () => {
    for (const [path] of paths) {
      const reply = await ask(`/v2/app/${path}?ns=private.corp`)
      assert.equal(reply.status, 401)
      assert.equal(errorCode(reply), 'UNAUTHORIZED')
      assert.equal(reply.headers['www-authenticate'], 'Bearer realm="https://auth.corp/token",service="corp"')
    }
  })
})

describe('what the server refuses', () => {
  it('writes are 405 UNSUPPORTED on every path of the API', async () => {
    const paths = ['/v2/', '/v2', '/v2/app/blobs/uploads/', '/v2/app/manifests/v1', '/v2/_catalog', '/v2/%zz']
    for (const path of paths) {
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const reply = await ask(path, { method, headers: { 'content-type': 'no/such; type' }, body: '{"not json' })
        assert.equal(reply.status, 405, `${method} ${path}`)
        assert.equal(reply.headers.allow, 'GET, HEAD')
        assert.equal(errorCode(reply), 'UNSUPPORTED')
      }
    }
  })
  it('paths outside the API are 404 in OCI JSON', async () => {
    for (const path of ['/', '/v2/_catalog', '/v2/app', '/v3/', '/V2/', '/v2/app/manifests/v1/', '/favicon.ico']) {
      const reply = await ask(path)
      assert.equal(reply.status, 404, path)
      assert.equal(errorCode(reply), 'UNSUPPORTED')
    }
    assert.equal((await ask('/', { method: 'POST', body: 'x' })).status, 404)
  })
  it('requests of another mirror are served, and told what is the matter where a runtime is told 404', async () => {
    const path = (upstream: string): string => `/v2/app/manifests/v1?ns=${upstream}`
    for (const [upstream, asRuntime, asMirror, code] of [
      ['local', 200, 200, undefined],
      ['docker.io', 200, 200, undefined],
      ['down.corp', 404, 502, 'UNAVAILABLE'],
      ['denied.corp', 404, 403, 'DENIED'],
      ['private.corp', 401, 401, 'UNAUTHORIZED'],
      ['unknown.corp', 404, 404, 'NAME_UNKNOWN'],
    ] as const) {
      assert.equal((await ask(path(upstream))).status, asRuntime, upstream)
      for (const hops of ['true', 'aaaa', 'aaaa, bbbb']) {
        const reply = await ask(path(upstream), { headers: { 'x-shoal-mirrored': hops } })
        assert.equal(reply.status, asMirror, `${upstream} through ${hops}`)
        if (code !== undefined) assert.equal(errorCode(reply), code)
      }
    }
  })
  it('requests that come back to this mirror, or through too many, are 508 and say why', async () => {
    await using own = await openMirror(content, { hopName: 'own' })
    const asked = content.asked.length
    for (const [hops, says] of [
      ['own', /in a circle/],
      ['aaaa,own, bbbb', /in a circle/],
      ['1,2,3,4,5,6,7,8', /8 mirrors/],
      [`${'x,'.repeat(600)}own`, /mirrors/],
    ] as const) {
      for (const path of ['/v2/', '/v2/app/manifests/v1', '/v2/app/tags/list']) {
        const reply = await askMirror(own, path, { headers: { 'x-shoal-mirrored': hops } })
        assert.equal(reply.status, 508, `${path} through ${hops.slice(0, 40)}`)
        assert.match(reply.body.toString(), says)
      }
    }
    assert.equal(content.asked.length, asked)
  })
  it('foreign Host headers are 404, and configured ones are not', async () => {
    const path = '/v2/app/manifests/v1'
    assert.equal((await ask(path, { headers: { host: 'evil.example' } })).status, 404)
    assert.equal((await ask(path, { headers: { host: 'localhost:5000' } })).status, 200)
    await using named = await openMirror(content, { selfHosts: () => ['mirror.corp'] })
    assert.equal((await askMirror(named, path, { headers: { host: 'mirror.corp:80' } })).status, 200)
  })
  it('a defect inside is a logged 404, never a 500', async () => {
    content.break(new Error('a defect'))
    try {
      for (const path of ['/v2/app/manifests/v1', `/v2/app/blobs/${SUBJECT}`, '/v2/app/tags/list']) {
        assert.equal((await ask(path)).status, 404)
      }
    } finally {
      content.break(undefined)
    }
    assert.equal(open.log.filter(({ level }) => level === 'error').length >= 3, true)
  })
})

describe('metrics', () => {
  it('count requests by route, method and status', async () => {
    const key = 'shoal_mirror_requests_total{route="manifests",method="HEAD",status="200"}'
    const before = open.counts.get(key) ?? 0
    const sent = open.sent.bytes
    await ask('/v2/app/manifests/v1', { method: 'HEAD' })
    await ask('/v2/app/manifests/v1')
    await eventually('the counters move', () => open.counts.get(key) === before + 1 && open.sent.bytes > sent)
    assert.equal(open.sent.bytes, sent + MANIFEST.length)
    assert.ok((open.counts.get('shoal_mirror_request_seconds{}') ?? 0) > 0)
  })
})
