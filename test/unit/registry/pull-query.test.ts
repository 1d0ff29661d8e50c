import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MAX_TAGS_PER_PAGE, parsePullQuery } from '../../../src/registry/pull-query.ts'

const NONE = { ns: undefined, limit: undefined, after: undefined, artifactType: undefined }

describe('pull queries', () => {
  const good: [query: string, expected: object][] = [
    ['', NONE],
    ['foo=bar&foo=baz', NONE],
    ['ns=docker.io', { ...NONE, ns: 'docker.io' }],
    ['ns=registry.corp%3A5000', { ...NONE, ns: 'registry.corp:5000' }],
    ['ns=local', { ...NONE, ns: 'local' }],
    ['ns=%5B%3A%3A1%5D%3A5000', { ...NONE, ns: '[::1]:5000' }],
    ['n=0', { ...NONE, limit: 0 }],
    ['n=5&last=v1.2', { ...NONE, limit: 5, after: 'v1.2' }],
    ['n=99999999', { ...NONE, limit: MAX_TAGS_PER_PAGE }],
    ['last=', NONE],
    ['artifactType=application%2Fvnd.x%2Bjson', { ...NONE, artifactType: 'application/vnd.x+json' }],
    ['artifactType=', NONE],
  ]
  for (const [query, expected] of good) {
    it(`reads "${query}"`, () => assert.deepEqual(parsePullQuery(query), expected))
  }

  const bad: [query: string, code: string][] = [
    ['ns=docker.io&ns=docker.io', 'NAME_INVALID'],
    ['ns=a&ns=b', 'NAME_INVALID'],
    ['ns=', 'NAME_INVALID'],
    ['ns=a%2Fb', 'NAME_INVALID'],
    ['ns=a%0d%0aSet-Cookie:x', 'NAME_INVALID'],
    ['ns=registry.corp%253A5000', 'NAME_INVALID'],
    ['ns=user@host', 'NAME_INVALID'],
    ['n=-1', 'PAGINATION_NUMBER_INVALID'],
    ['n=', 'PAGINATION_NUMBER_INVALID'],
    ['n=1.5', 'PAGINATION_NUMBER_INVALID'],
    ['n=ten', 'PAGINATION_NUMBER_INVALID'],
    ['n=1e3', 'PAGINATION_NUMBER_INVALID'],
    ['last=../x', 'PAGINATION_NUMBER_INVALID'],
    [`artifactType=${'x'.repeat(256)}`, 'UNSUPPORTED'],
  ]
  for (const [query, code] of bad) {
    it(`refuses "${query.slice(0, 40)}"`, () => {
      const parsed = parsePullQuery(query)
      assert.equal('code' in parsed && parsed.code, code)
    })
  }
})
