import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf, referrersTag } from '../../../src/oci/digest.ts'
import { filterIndex } from '../../../src/registry/referrers-route.ts'
import { nextPageLink } from '../../../src/registry/tags-route.ts'

describe('links to the next page of tags', () => {
  it('keep the name, the page size and the upstream as the client gave them', () => {
    assert.equal(
      nextPageLink('org/app', 'v1', { ns: 'registry.corp:5000', limit: 2 }),
      '</v2/org/app/tags/list?n=2&last=v1&ns=registry.corp%3A5000>; rel="next"',
    )
  })
  it('have no n when none was given', () => {
    assert.equal(
      nextPageLink('registry.corp_5000/app', 'b', { ns: undefined, limit: undefined }),
      '</v2/registry.corp_5000/app/tags/list?last=b>; rel="next"',
    )
  })
})

describe('filtering referrers', () => {
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      { digest: 'a', artifactType: 'application/sbom', size: 1, annotations: { k: 'v' } },
      { digest: 'b', artifactType: 'application/signature', size: 2 },
      { digest: 'c', size: 3 },
    ],
    annotations: { kept: 'yes' },
  }
  it('keeps only descriptors of the type, and all else of the index', () => {
    const filtered = filterIndex(Buffer.from(JSON.stringify(index)), 'application/sbom')
    assert.deepEqual(JSON.parse(Buffer.from(filtered ?? []).toString()), { ...index, manifests: [index.manifests[0]] })
  })
  for (const text of ['', 'not json', '[]', '{}', '{"manifests":[{"artifactType":5}]}', 'null']) {
    it(`finds no index in ${JSON.stringify(text)}`, () => assert.equal(filterIndex(Buffer.from(text), 'x'), undefined))
  }
  it('cuts the tag of a long digest as the tag schema says', () => {
    const digest = digestOf(Buffer.from('x'), 'sha512')
    assert.equal(referrersTag(digest), `sha512-${digest.slice(7, 71)}`)
  })
})
