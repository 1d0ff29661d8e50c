import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import {
  canonicalUpstream,
  isRegistryHost,
  isRepositoryName,
  isTag,
  parseReference,
  parseTagOrDigest,
  referenceText,
  wholeReferenceText,
} from '../../../src/oci/reference.ts'

const DIGEST = `sha256:${'a1'.repeat(32)}`

describe('references', () => {
  for (const [text, meaning] of [
    ['alpine', 'docker.io/library/alpine:latest'],
    ['alpine:3.20', 'docker.io/library/alpine:3.20'],
    ['team/app', 'docker.io/team/app:latest'],
    ['index.docker.io/alpine', 'docker.io/library/alpine:latest'],
    ['registry-1.docker.io/team/app:1', 'docker.io/team/app:1'],
    ['quay.io/team/app:v1', 'quay.io/team/app:v1'],
    ['Quay.IO/team/app', 'quay.io/team/app:latest'],
    ['quay.io/app', 'quay.io/app:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app:1', 'localhost:5000/app:1'],
    ['10.0.0.1:5000/a/b/c', '10.0.0.1:5000/a/b/c:latest'],
    ['[::1]:5000/app', '[::1]:5000/app:latest'],
    [`alpine@${DIGEST}`, `docker.io/library/alpine@${DIGEST}`],
    [`quay.io/app:v1@${DIGEST}`, `quay.io/app@${DIGEST}`],
  ] as const) {
    it(`"${text}" is ${meaning}`, () => {
      const reference = parseReference(text, 'docker.io')
      assert.equal(referenceText(reference), meaning)
      assert.deepEqual(parseReference(meaning, 'elsewhere.example'), reference)
    })
  }

  for (const [text, meaning] of [
    ['demo/team/app:v1', 'demo/team/app:v1'],
    ['demo/app', 'demo/app:latest'],
    ['demo', 'docker.io/library/demo:latest'],
    ['other/app', 'docker.io/other/app:latest'],
    ['docker.io/demo/app', 'docker.io/demo/app:latest'],
  ] as const) {
    it(`"${text}" is ${meaning} where an upstream is called demo, and reads the same everywhere`, () => {
      const reference = parseReference(text, 'docker.io', (word) => word === 'demo')
      assert.equal(referenceText(reference), meaning)
      for (const elsewhere of ['docker.io', 'demo', 'other.example']) {
        assert.deepEqual(parseReference(wholeReferenceText(reference), elsewhere), reference)
      }
    })
  }

  it('call Docker Hub and default ports by one name', () => {
    for (const host of [
      'docker.io',
      'docker.io:443',
      'index.docker.io',
      'registry.hub.docker.com',
      'Registry-1.docker.io.',
    ]) {
      assert.equal(canonicalUpstream(host), 'docker.io', host)
    }
    assert.equal(canonicalUpstream('ghcr.io:443'), 'ghcr.io')
    assert.equal(canonicalUpstream('ghcr.io:8443'), 'ghcr.io:8443')
  })

  it('without a host are of the default upstream', () => {
    assert.equal(referenceText(parseReference('app', 'demo')), 'demo/app:latest')
  })

  for (const text of [
    '',
    ':tag',
    'App',
    'a//b',
    'app:',
    'app:-x',
    `app:${'x'.repeat(129)}`,
    'app@sha256:abc',
    'app@latest',
    'app@',
    'quay.io/',
    'quay.io/App',
    'a b.example/app',
    'user@host/app',
    '-.example/app',
    'a/../b',
    `quay.io/${'a'.repeat(256)}`,
  ]) {
    it(`${JSON.stringify(text.slice(0, 40))} is none`, () => {
      assert.throws(
        () => parseReference(text, 'docker.io'),
        (error) => isShoalError(error, 'REFERENCE_INVALID'),
      )
    })
  }
})

describe('the grammars', () => {
  it('of repository names', () => {
    for (const name of ['a', 'a/b', 'a.b', 'a_b', 'a__b', 'a---b', '0/1'])
      assert.equal(isRepositoryName(name), true, name)
    for (const name of ['', '/a', 'a/', 'a..b', 'a___b', 'A', '-a', 'a-', '.a', 'a:b', 'a\n'])
      assert.equal(isRepositoryName(name), false, name)
  })

  it('of tags', () => {
    for (const tag of ['latest', 'V1.2_3-x', '_', 'x'.repeat(128)]) assert.equal(isTag(tag), true, tag)
    for (const tag of ['', '.x', '-x', 'a b', 'a/b', 'x'.repeat(129), 'x\n']) assert.equal(isTag(tag), false, tag)
  })

  it('of registry hosts', () => {
    for (const host of ['docker.io', 'localhost:5000', '[::1]', '[fe80::1]:80', 'a'])
      assert.equal(isRegistryHost(host), true, host)
    for (const host of ['', 'a/b', 'a:b', '-a', 'a-', 'a b', 'a:123456', 'a\n'])
      assert.equal(isRegistryHost(host), false, host)
  })

  it('tell tags from digests', () => {
    assert.deepEqual(parseTagOrDigest('v1'), { kind: 'tag', tag: 'v1' })
    assert.deepEqual(parseTagOrDigest(DIGEST), { kind: 'digest', digest: DIGEST })
    assert.equal(parseTagOrDigest('sha256:short'), undefined)
  })

  it('answer quickly to names made to be slow', () => {
    assert.equal(isRepositoryName(`${'a-'.repeat(127)}!`), false)
    assert.equal(isRegistryHost(`${'a-'.repeat(127)}!`), false)
  })
})
