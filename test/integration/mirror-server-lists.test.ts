import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { MEDIA_TYPE } from '../../src/oci/manifest.ts'
import type { Asking, Reply } from '../support/ask-mirror.ts'
import { askMirror, errorCode } from '../support/ask-mirror.ts'
import { MemoryContent } from '../support/memory-content.ts'
import type { OpenMirror } from '../support/open-mirror.ts'
import { openMirror } from '../support/open-mirror.ts'

const MANIFEST = Buffer.from('{"schemaVersion":2}')
const SUBJECT = digestOf(Buffer.from('a subject'))

const content = new MemoryContent()
let open: OpenMirror

const ask = (path: string, asking?: Asking): Promise<Reply> => askMirror(open, path, asking)

before(async () => {
  for (const tag of ['v1', 'v2', 'v3', 'a']) {
    content.putManifest('local', 'app', MANIFEST, { tag, mediaType: MEDIA_TYPE.dockerManifest })
  }
  content.putManifest('registry.corp:5000', 'team/app', MANIFEST, { tag: 'v1', mediaType: MEDIA_TYPE.ociManifest })
  content.refuse('down.corp', 'unavailable')
  open = await openMirror(content)
})

after(async () => {
  await open[Symbol.asyncDispose]()
})

describe('tags', () => {
  it('are listed under the name the client used', async () => {
    const reply = await ask('/v2/app/tags/list')
    assert.deepEqual(JSON.parse(reply.body.toString()), { name: 'app', tags: ['a', 'v1', 'v2', 'v3'] })
    assert.equal(reply.headers['content-type'], 'application/json')
    assert.equal(reply.headers.link, undefined)
    const prefixed = await ask('/v2/registry.corp_5000/team/app/tags/list')
    assert.equal(JSON.parse(prefixed.body.toString()).name, 'registry.corp_5000/team/app')
  })
  it('come in pages joined by links that keep ns', async () => {
    let path: string | undefined = '/v2/app/tags/list?n=3&ns=local'
    const pages: string[][] = []
    while (path !== undefined) {
      const reply = await ask(path)
      pages.push(JSON.parse(reply.body.toString()).tags)
      path = /^<([^>]+)>; rel="next"$/.exec(String(reply.headers.link))?.[1]
      if (path !== undefined) assert.equal(new URL(path, open.url).searchParams.get('ns'), 'local')
    }
    assert.deepEqual(pages, [['a', 'v1', 'v2'], ['v3']])
  })
  it('start after last, which need not exist', async () => {
    assert.deepEqual(JSON.parse((await ask('/v2/app/tags/list?last=v1.5')).body.toString()).tags, ['v2', 'v3'])
  })
  it('n=0 is an empty list without a link, of a repository that exists', async () => {
    const reply = await ask('/v2/app/tags/list?n=0')
    assert.deepEqual(JSON.parse(reply.body.toString()).tags, [])
    assert.equal(reply.headers.link, undefined)
    assert.equal((await ask('/v2/nothing/tags/list?n=0')).status, 404)
  })
  it('an n that is no count is 400', async () => {
    for (const n of ['-1', 'x', '', '1.5']) assert.equal((await ask(`/v2/app/tags/list?n=${n}`)).status, 400)
  })
})

describe('referrers', () => {
  const manifests = [
    { mediaType: MEDIA_TYPE.ociManifest, digest: SUBJECT, size: 1, artifactType: 'application/sbom' },
    { mediaType: MEDIA_TYPE.ociManifest, digest: SUBJECT, size: 2, artifactType: 'application/sig' },
  ]
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests }
  const bytes = Buffer.from(JSON.stringify(index, null, 3))

  before(() => content.putReferrers('local', 'app', SUBJECT, { kind: 'referrers', bytes, filtered: false }))

  it('go through as they are', async () => {
    const reply = await ask(`/v2/app/referrers/${SUBJECT}`)
    assert.equal(reply.status, 200)
    assert.equal(reply.headers['content-type'], MEDIA_TYPE.ociIndex)
    assert.deepEqual(reply.body, bytes)
    assert.equal(reply.headers['oci-filters-applied'], undefined)
  })
  it('are filtered here when the origin did not', async () => {
    const reply = await ask(`/v2/app/referrers/${SUBJECT}?artifactType=application%2Fsbom`)
    assert.equal(reply.headers['oci-filters-applied'], 'artifactType')
    assert.deepEqual(JSON.parse(reply.body.toString()), { ...index, manifests: [manifests[0]] })
  })
  it('are left alone when the origin filtered', async () => {
    content.putReferrers('local', 'filtered', SUBJECT, { kind: 'referrers', bytes, filtered: true })
    const reply = await ask(`/v2/filtered/referrers/${SUBJECT}?artifactType=application%2Fsbom`)
    assert.equal(reply.headers['oci-filters-applied'], 'artifactType')
    assert.deepEqual(reply.body, bytes)
  })
  it('of a subject nobody knows are an empty index', async () => {
    const reply = await ask(`/v2/app/referrers/${digestOf(Buffer.from('other'))}`)
    assert.equal(reply.status, 200)
    assert.equal(reply.headers['content-type'], MEDIA_TYPE.ociIndex)
    assert.deepEqual(JSON.parse(reply.body.toString()).manifests, [])
  })
  it('kept under the fallback tag are found, so that no signature is hidden', async () => {
    const subject = digestOf(Buffer.from('signed the old way'))
    content.putManifest('local', 'signed', bytes, {
      tag: subject.replace(':', '-'),
      mediaType: MEDIA_TYPE.ociIndex,
    })
    assert.deepEqual((await ask(`/v2/signed/referrers/${subject}`)).body, bytes)
    const filtered = await ask(`/v2/signed/referrers/${subject}?artifactType=application%2Fsig`)
    assert.deepEqual(JSON.parse(filtered.body.toString()).manifests, [manifests[1]])
  })
  it('that cannot be had now are 404, and of no digest 400', async () => {
    assert.equal((await ask(`/v2/app/referrers/${SUBJECT}?ns=down.corp`)).status, 404)
    assert.equal(errorCode(await ask('/v2/app/referrers/latest')), 'DIGEST_INVALID')
  })
})
