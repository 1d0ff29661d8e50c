import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { request } from 'undici'
import { digestOf } from '../../src/oci/digest.ts'
import { MEDIA_TYPE } from '../../src/oci/manifest.ts'
import { DockerRegistry } from '../support/docker-registry.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { findProgram } from '../support/runtime-test.ts'

/*
 * The pull and content discovery categories of the distribution specification, its endpoints by their numbers there, at a
 * mirror before a real registry and before the same content as a directory. What the specification leaves to registries
 * ("MAY") is asked for where Shoal promises it.
 */

const REPOSITORY = 'conformance/app'
const skip = findProgram('docker-registry') === undefined ? 'docker-registry is not installed' : false
const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const described = (mediaType: string, bytes: Buffer, extra: object = {}) => {
  return Object.assign({ mediaType, digest: digestOf(bytes), size: bytes.length }, extra)
}

const LAYER = Buffer.alloc(300_000, 'layer ')
const CONFIG = bytesOf({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digestOf(LAYER)] } })
const MANIFEST = bytesOf({
  schemaVersion: 2,
  mediaType: MEDIA_TYPE.ociManifest,
  config: described('application/vnd.oci.image.config.v1+json', CONFIG),
  layers: [described('application/vnd.oci.image.layer.v1.tar', LAYER)],
})
const EMPTY = Buffer.from('{}')
/** An artifact about the manifest, of each type. */
const ARTIFACTS = ['application/vnd.example.sbom', 'application/vnd.example.signature'].map((artifactType) => {
  const bytes = bytesOf({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    artifactType,
    config: described('application/vnd.oci.empty.v1+json', EMPTY),
    layers: [described('application/vnd.oci.empty.v1+json', EMPTY)],
    subject: described(MEDIA_TYPE.ociManifest, MANIFEST),
  })
  return { artifactType, bytes, descriptor: described(MEDIA_TYPE.ociManifest, bytes, { artifactType }) }
})
const REFERRERS = bytesOf({
  schemaVersion: 2,
  mediaType: MEDIA_TYPE.ociIndex,
  manifests: ARTIFACTS.map(({ descriptor }) => descriptor),
})
const DIGEST = digestOf(MANIFEST)
const TAGS = ['latest', 'v1', 'v10', 'v2']
const NOWHERE = digestOf(Buffer.from('nobody has this'))
const ERROR_CODES = [
  'BLOB_UNKNOWN',
  'DIGEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'UNSUPPORTED',
]

/** As a client pushes: end-4a and end-6, then end-7. */
async function push(registry: string): Promise<void> {
  const at = `${registry}/v2/${REPOSITORY}`
  for (const blob of [LAYER, CONFIG, EMPTY]) {
    const begun = await fetch(`${at}/blobs/uploads/`, { method: 'POST' })
    const upload = new URL(begun.headers.get('location') ?? '', registry)
    upload.searchParams.set('digest', digestOf(blob))
    const headers = { 'content-type': 'application/octet-stream' }
    assert.equal((await fetch(upload, { method: 'PUT', body: new Uint8Array(blob), headers })).status, 201)
  }
  const put = async (reference: string, type: string, body: Buffer): Promise<void> => {
    const init = { method: 'PUT', body: new Uint8Array(body), headers: { 'content-type': type } }
    const answer = await fetch(`${at}/manifests/${reference}`, init)
    assert.equal(answer.status, 201, await answer.text())
  }
  for (const tag of TAGS) await put(tag, MEDIA_TYPE.ociManifest, MANIFEST)
  for (const { bytes } of ARTIFACTS) await put(digestOf(bytes), MEDIA_TYPE.ociManifest, bytes)
  // this registry has no referrers API: clients keep the list under a tag then
  await put(DIGEST.replace(':', '-'), MEDIA_TYPE.ociIndex, REFERRERS)
}

const behind: Record<'a registry' | 'a directory', string> = { 'a registry': '', 'a directory': '' }

describe('the distribution specification', { skip }, () => {
  const stack = new AsyncDisposableStack()

  before(async () => {
    const fleet = stack.use(await NodeFleet.open())
    const registry = stack.use(await DockerRegistry.start(fleet.directory))
    await push(registry.url)
    const origins = [{ kind: 'registry', url: registry.url, credentials: null }] as const
    const [pull, files] = [
      await fleet.start({ upstreams: [{ name: 'local', access: 'public', origins }] }),
      await fleet.start({ upstreams: [directoryUpstream('local', registry.root)] }),
    ]
    behind['a registry'] = `http://${pull.node.addresses.mirror}`
    behind['a directory'] = `http://${files.node.addresses.mirror}`
  })

  after(() => stack.disposeAsync())

  for (const origin of Object.keys(behind) as (keyof typeof behind)[]) {
    const ask = (path: string, init: RequestInit = {}): Promise<Response> => fetch(`${behind[origin]}${path}`, init)
    const inRepository = (path: string, init: RequestInit = {}) => ask(`/v2/${REPOSITORY}/${path}`, init)

    /** "If the response body is in JSON format", it has the shape of the specification, and a code of its list. */
    const refused = async (answer: Response, status: number): Promise<void> => {
      assert.equal(answer.status, status)
      const text = await answer.text()
      if (text === '') return
      const { errors } = JSON.parse(text)
      assert.ok(errors.length > 0 && ERROR_CODES.includes(errors[0].code), text)
    }

    describe(`before ${origin}`, () => {
      test('end-1: GET /v2/ says that this is a registry', async () => {
        assert.equal((await ask('/v2/')).status, 200)
      })

      test('end-2: a blob by GET and HEAD: bytes, length, digest', async () => {
        for (const blob of [LAYER, CONFIG, EMPTY]) {
          const digest = digestOf(blob)
          const get = await inRepository(`blobs/${digest}`)
          assert.equal(get.status, 200)
          assert.ok(Buffer.from(await get.arrayBuffer()).equals(blob))
          const head = await inRepository(`blobs/${digest}`, { method: 'HEAD' })
          assert.equal(head.status, 200)
          for (const answer of [get, head]) {
            assert.equal(answer.headers.get('docker-content-digest'), digest)
            assert.equal(answer.headers.get('content-length'), String(blob.length))
          }
        }
      })

      test('end-2: a blob by ranges', async () => {
        const part = await inRepository(`blobs/${digestOf(LAYER)}`, { headers: { range: 'bytes=100-299' } })
        assert.equal(part.status, 206)
        assert.equal(part.headers.get('content-range'), `bytes 100-299/${LAYER.length}`)
        assert.ok(Buffer.from(await part.arrayBuffer()).equals(LAYER.subarray(100, 300)))
        const beyond = await inRepository(`blobs/${digestOf(LAYER)}`, { headers: { range: `bytes=${LAYER.length}-` } })
        assert.equal(beyond.status, 416)
      })

      test('end-2: a blob that is not there is 404, one that has no digest 400', async () => {
        for (const method of ['GET', 'HEAD']) {
          await refused(await inRepository(`blobs/${NOWHERE}`, { method }), 404)
          await refused(await inRepository('blobs/sha256:abc', { method }), 400)
        }
      })

      for (const [by, reference] of [['tag', 'v1'] as const, ['digest', DIGEST] as const]) {
        test(`end-3: a manifest by ${by}, by GET and HEAD: bytes, type, length, digest`, async () => {
          const headers = { accept: MEDIA_TYPE.ociManifest }
          const head = await inRepository(`manifests/${reference}`, { method: 'HEAD', headers })
          const get = await inRepository(`manifests/${reference}`, { headers })
          assert.ok(Buffer.from(await get.arrayBuffer()).equals(MANIFEST))
          for (const answer of [get, head]) {
            assert.equal(answer.status, 200)
            assert.equal(answer.headers.get('docker-content-digest'), DIGEST)
            assert.equal(answer.headers.get('content-type'), MEDIA_TYPE.ociManifest)
            assert.equal(answer.headers.get('content-length'), String(MANIFEST.length))
          }
        })
      }

      test('end-3: whatever a client accepts, it gets the manifest as it was pushed', async () => {
        const schema1 = 'application/vnd.docker.distribution.manifest.v1+prettyjws'
        const docker = ['application/json', schema1, MEDIA_TYPE.dockerManifest, MEDIA_TYPE.ociManifest]
        const wishes = [
          [],
          ['*/*'],
          // docker's classic store: each on a line of its own, in any order
          docker,
          [docker.join(', ')],
          // containerd
          [`${MEDIA_TYPE.dockerManifest}, ${MEDIA_TYPE.ociIndex}, */*`],
          ['application/vnd.oci.image.index.v1+json;q=0.5, */*;q=0.1'],
          [schema1],
          ['text/html'],
        ]
        for (const method of ['HEAD', 'GET']) {
          for (const reference of ['v1', DIGEST]) {
            for (const accept of wishes) {
              const path = `/v2/${REPOSITORY}/manifests/${reference}`
              const answer = await request(`${behind[origin]}${path}`, {
                method,
                headers: accept.flatMap((one) => ['accept', one]),
              })
              const bytes = new Uint8Array(await answer.body.arrayBuffer())
              const what = `${method} ${reference} ${accept}`
              assert.equal(answer.statusCode, 200, what)
              assert.equal(answer.headers['content-type'], MEDIA_TYPE.ociManifest, what)
              assert.equal(answer.headers['docker-content-digest'], DIGEST, what)
              if (method === 'GET') assert.equal(digestOf(bytes), DIGEST, what)
            }
          }
        }
      })

      test('end-3: a manifest that is not there is 404', async () => {
        for (const method of ['GET', 'HEAD']) {
          for (const reference of ['nowhere', NOWHERE, '.INVALID_MANIFEST_NAME']) {
            await refused(await inRepository(`manifests/${reference}`, { method }), 404)
          }
          await refused(await ask('/v2/conformance/nowhere/manifests/v1', { method }), 404)
        }
      })

      test('end-8a: the tags of a repository, in lexical order', async () => {
        const answer = await inRepository('tags/list')
        assert.equal(answer.status, 200)
        const { name, tags } = (await answer.json()) as { name: string; tags: string[] }
        assert.equal(name, REPOSITORY)
        assert.deepEqual(
          tags.filter((tag) => !tag.startsWith('sha256-')),
          TAGS,
        )
        assert.deepEqual(tags, tags.toSorted())
        await refused(await ask('/v2/conformance/nowhere/tags/list'), 404)
      })

      test('end-8b: the tags page by page, by n, last and Link', async () => {
        const seen: string[] = []
        let path: string | undefined = `/v2/${REPOSITORY}/tags/list?n=2`
        while (path !== undefined) {
          const answer: Response = await ask(path)
          const { tags } = (await answer.json()) as { tags: string[] }
          assert.ok(tags.length <= 2)
          seen.push(...tags)
          path = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1]
        }
        assert.deepEqual(seen, [...TAGS, DIGEST.replace(':', '-')].toSorted())
        const rest = await inRepository('tags/list?last=v1')
        assert.deepEqual(((await rest.json()) as { tags: string[] }).tags, ['v10', 'v2'])
        assert.deepEqual(((await (await inRepository('tags/list?n=0')).json()) as { tags: string[] }).tags, [])
      })

      test('end-12a: what refers to a manifest, from the fallback tag where a registry has no such API', async () => {
        const answer = await inRepository(`referrers/${DIGEST}`)
        assert.equal(answer.status, 200)
        assert.equal(answer.headers.get('content-type'), MEDIA_TYPE.ociIndex)
        const { manifests } = (await answer.json()) as { manifests: { digest: string }[] }
        assert.deepEqual(
          manifests.map(({ digest }) => digest),
          ARTIFACTS.map(({ bytes }) => digestOf(bytes)),
        )
        for (const { digest } of manifests) assert.equal((await inRepository(`manifests/${digest}`)).status, 200)
      })

      test('end-12a: nothing refers to it: an empty index; to no digest: 400', async () => {
        const answer = await inRepository(`referrers/${NOWHERE}`)
        assert.equal(answer.status, 200)
        assert.deepEqual(((await answer.json()) as { manifests: unknown[] }).manifests, [])
        await refused(await inRepository('referrers/sha256:abc'), 400)
      })

      test('end-12b: what refers to a manifest, of one type', async () => {
        const [{ artifactType, bytes }] = ARTIFACTS as [(typeof ARTIFACTS)[number]]
        const answer = await inRepository(`referrers/${DIGEST}?artifactType=${encodeURIComponent(artifactType)}`)
        assert.equal(answer.headers.get('oci-filters-applied'), 'artifactType')
        const { manifests } = (await answer.json()) as { manifests: { digest: string }[] }
        assert.deepEqual(
          manifests.map(({ digest }) => digest),
          [digestOf(bytes)],
        )
      })

      const writes: [end: string, method: string, path: string][] = [
        ['end-4a', 'POST', 'blobs/uploads/'],
        ['end-4b', 'POST', `blobs/uploads/?digest=${NOWHERE}`],
        ['end-5', 'PATCH', 'blobs/uploads/1'],
        ['end-6', 'PUT', `blobs/uploads/1?digest=${NOWHERE}`],
        ['end-7', 'PUT', 'manifests/v1'],
        ['end-9', 'DELETE', `manifests/${DIGEST}`],
        ['end-10', 'DELETE', `blobs/${digestOf(LAYER)}`],
        ['end-11', 'POST', `blobs/uploads/?mount=${NOWHERE}&from=${REPOSITORY}`],
      ]
      for (const [end, method, path] of writes) {
        test(`${end}: ${method} is 405: a mirror is pulled from`, async () => {
          const answer = await inRepository(path, { method })
          assert.match(answer.headers.get('allow') ?? '', /GET/)
          await refused(answer, 405)
        })
      }

      test('end-13: there is no upload to ask about', async () => {
        await refused(await inRepository('blobs/uploads/1'), 404)
      })
    })
  }
})
