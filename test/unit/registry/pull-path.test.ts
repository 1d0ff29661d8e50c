import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isUnderApi, parsePullPath } from '../../../src/registry/pull-path.ts'

const HEX = '0123456789abcdef'.repeat(4)
const DIGEST = `sha256:${HEX}`
const DIGEST_512 = `sha512:${HEX}${HEX}`

describe('pull paths', () => {
  const good: [path: string, route: string, name?: string, rest?: string][] = [
    ['/v2', 'base'],
    ['/v2/', 'base'],
    ['/v2/app/manifests/latest', 'manifests', 'app', 'latest'],
    ['/v2/a/b/c/d/manifests/v1.0_x-y', 'manifests', 'a/b/c/d', 'v1.0_x-y'],
    [`/v2/app/manifests/${DIGEST}`, 'manifests', 'app', DIGEST],
    [`/v2/app/manifests/sha256%3A${HEX}`, 'manifests', 'app', DIGEST],
    [`/v2/app/blobs/${DIGEST}`, 'blobs', 'app', DIGEST],
    [`/v2/app/blobs/sha256%3a${HEX}`, 'blobs', 'app', DIGEST],
    [`/v2/app/blobs/${DIGEST_512}`, 'blobs', 'app', DIGEST_512],
    [`/v2/org%2Fapp/blobs/${DIGEST}`, 'blobs', 'org/app', DIGEST],
    ['/v2/app/tags/list', 'tags', 'app'],
    ['/v2/tags/list/tags/list', 'tags', 'tags/list'],
    ['/v2/x/manifests/tags/list', 'tags', 'x/manifests'],
    ['/v2/manifests/manifests/manifests', 'manifests', 'manifests', 'manifests'],
    [`/v2/blobs/blobs/blobs/${DIGEST}`, 'blobs', 'blobs/blobs', DIGEST],
    [`/v2/app/referrers/${DIGEST}`, 'referrers', 'app', DIGEST],
    ['/v2/registry.corp/team/app/manifests/1', 'manifests', 'registry.corp/team/app', '1'],
    ['/v2/registry.corp_5000/app/manifests/1', 'manifests', 'registry.corp_5000/app', '1'],
    ['/v2/registry.corp:5000/app/manifests/1', 'manifests', 'registry.corp:5000/app', '1'],
    ['/v2/registry.corp%3A5000/app/manifests/1', 'manifests', 'registry.corp:5000/app', '1'],
    ['/v2/registry.corp%3a5000%2Fteam%2Fapp/manifests/1', 'manifests', 'registry.corp:5000/team/app', '1'],
    ['/v2/build:5000/app/tags/list', 'tags', 'build:5000/app'],
    ['/v2/Registry.Corp_5000/app/manifests/1', 'manifests', 'Registry.Corp_5000/app', '1'],
    ['/v2/Registry.Corp/app/manifests/1', 'manifests', 'Registry.Corp/app', '1'],
    [`/v2/[::1]:5000/app/blobs/${DIGEST}`, 'blobs', '[::1]:5000/app', DIGEST],
    [`/v2/app/manifests/sha256-${HEX}.sig`, 'manifests', 'app', `sha256-${HEX}.sig`],
  ]
  for (const [path, route, name, rest] of good) {
    it(`reads ${path.slice(0, 60)}`, () => {
      const parsed = parsePullPath(path)
      assert.equal(parsed.route, route)
      if ('name' in parsed) assert.equal(parsed.name, name)
      if (parsed.route === 'manifests') {
        assert.equal(parsed.target.kind === 'tag' ? parsed.target.tag : parsed.target.digest, rest)
      }
      if ('digest' in parsed) assert.equal(parsed.digest, rest)
    })
  }

  const bad: [path: string, status: number, code: string][] = [
    ['/', 404, 'UNSUPPORTED'],
    ['', 404, 'UNSUPPORTED'],
    ['*', 404, 'UNSUPPORTED'],
    ['//v2/', 404, 'UNSUPPORTED'],
    ['/V2/', 404, 'UNSUPPORTED'],
    ['/v2x/', 404, 'UNSUPPORTED'],
    ['/v1/app/manifests/latest', 404, 'UNSUPPORTED'],
    ['/v2/_catalog', 404, 'UNSUPPORTED'],
    ['/v2/app', 404, 'UNSUPPORTED'],
    ['/v2/app/', 404, 'UNSUPPORTED'],
    ['/v2//', 404, 'UNSUPPORTED'],
    ['/v2/manifests/latest', 404, 'UNSUPPORTED'],
    ['/v2/tags/list', 404, 'UNSUPPORTED'],
    ['/v2/app/tags/list/', 404, 'UNSUPPORTED'],
    ['/v2/app/tags/other', 404, 'UNSUPPORTED'],
    ['/v2/app/manifests/latest/', 404, 'UNSUPPORTED'],
    ['/v2/app/manifests/', 404, 'UNSUPPORTED'],
    ['/v2/app/Manifests/latest', 404, 'UNSUPPORTED'],
    ['/v2/app/blobs/uploads/', 404, 'UNSUPPORTED'],
    ['/v2/../etc/passwd', 404, 'UNSUPPORTED'],
    ['/v2//manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/App/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/../app/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/a/../../b/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/%2e%2e/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/a//b/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/a%252Fb/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/a%00b/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/a%20b/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/a%5Cb/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/registry.corp:5000/manifests/1', 400, 'NAME_INVALID'],
    ['/v2/registry.corp:5000/App/manifests/1', 400, 'NAME_INVALID'],
    ['/v2/registry.corp:500000/app/manifests/1', 400, 'NAME_INVALID'],
    ['/v2/registry.corp%253A5000/app/manifests/1', 400, 'NAME_INVALID'],
    ['/v2/team/registry.corp:5000/app/manifests/1', 400, 'NAME_INVALID'],
    ['/v2/user@registry.corp:5000/app/manifests/1', 400, 'NAME_INVALID'],
    ['/v2/..:5000/app/manifests/1', 400, 'NAME_INVALID'],
    [`/v2/${'a'.repeat(256)}/manifests/latest`, 400, 'NAME_INVALID'],
    ['/v2/app%zz/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/app%/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/%c0%af/manifests/latest', 400, 'NAME_INVALID'],
    ['/v2/app/manifests/.bad', 404, 'MANIFEST_UNKNOWN'],
    ['/v2/app/manifests/..', 404, 'MANIFEST_UNKNOWN'],
    [`/v2/app/manifests/${'t'.repeat(129)}`, 404, 'MANIFEST_UNKNOWN'],
    ['/v2/app/manifests/sha256:totallywrong', 400, 'DIGEST_INVALID'],
    [`/v2/app/manifests/sha256:${HEX.toUpperCase()}`, 400, 'DIGEST_INVALID'],
    [`/v2/app/manifests/md5:${HEX}`, 400, 'DIGEST_INVALID'],
    [`/v2/app/blobs/sha512:${HEX}`, 400, 'DIGEST_INVALID'],
    [`/v2/app/blobs/${HEX}`, 400, 'DIGEST_INVALID'],
    ['/v2/app/blobs/latest', 400, 'DIGEST_INVALID'],
    ['/v2/app/referrers/latest', 400, 'DIGEST_INVALID'],
    [`/v2/app/blobs/constructor:${HEX}`, 400, 'DIGEST_INVALID'],
  ]
  for (const [path, status, code] of bad) {
    it(`refuses ${path.slice(0, 60)} with ${status}`, () => {
      const parsed = parsePullPath(path)
      assert.equal(parsed.route, 'none')
      if (parsed.route === 'none') assert.deepEqual([parsed.status, parsed.code], [status, code])
    })
  }

  it('tells the API from the rest, encoded or broken', () => {
    for (const path of ['/v2', '/v2/', '/v2/x%zz', '/%762/x']) assert.equal(isUnderApi(path), true, path)
    for (const path of ['/', '/v2x', '/V2/', '//v2/', '/%zz/v2/']) assert.equal(isUnderApi(path), false, path)
  })
})
