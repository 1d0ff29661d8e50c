import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { noMetrics } from '../../../src/base/metrics.ts'
import type { UpstreamAccess } from '../../../src/blob/index.ts'
import { AnyUpstream, MOST_OPEN } from '../../../src/node/any-upstream.ts'
import { LiveUpstreams } from '../../../src/node/live-upstreams.ts'
import { isPublicRegistryName, openOrigin, openOriginChain, originsOfAny } from '../../../src/origin/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { deps, never, startServer } from '../origin/fixtures.ts'

describe('what "*" stands for', () => {
  for (const name of ['quay.io', 'ghcr.io', 'docker.io', 'registry.k8s.io', 'a.b.example.co.uk', 'quay.io:5000']) {
    it(`${name} is a public registry's name`, () => assert.equal(isPublicRegistryName(name), true))
  }
  for (const name of [
    ...['localhost', 'localhost:5000', 'local', 'registry', 'registry:5000', 'com', 'co.uk'],
    ...['10.0.0.1', '127.0.0.1:5000', '169.254.169.254', '8.8.8.8', '[::1]', '[::1]:5000', '[fd00::1]', '2130706433'],
    ...['registry.local', 'vault.internal', 'git.corp', 'kubernetes.default.svc', 'api.svc.cluster.local', 'a.test'],
    ...['quay.io:22', 'quay.io:80', 'quay.io:1023', 'quay.io:0', 'quay.io:99999'],
  ]) {
    it(`${name} is none`, () => assert.equal(isPublicRegistryName(name), false))
  }
})

test('"*" asks the registry itself, or a mirror that is told which one is meant', () => {
  assert.deepEqual(originsOfAny([], 'quay.io'), [{ kind: 'registry', url: 'https://quay.io', publicOnly: true }])
  const mirror = { kind: 'registry', url: 'http://mirror.corp:7070' } as const
  const straight = { kind: 'registry', url: 'https://{upstream}' } as const
  assert.deepEqual(originsOfAny([mirror, straight], 'quay.io:5000'), [
    { kind: 'registry', url: 'http://mirror.corp:7070', namespace: 'quay.io:5000' },
    { kind: 'registry', url: 'https://quay.io:5000', publicOnly: true },
  ])
})

test('a registry that nobody configured is not asked at an address that is not public, by whatever name', async (t) => {
  const server = await startServer(t, (_request, response) => void response.writeHead(200).end('{}'))
  for (const host of ['127.0.0.1', 'localhost']) {
    const url = server.url.replace('127.0.0.1', host)
    await using origin = openOrigin({ kind: 'registry', url, access: 'public', publicOnly: true }, deps)
    await assert.rejects(
      origin.resolveTag({ repository: 'team/app', tag: 'v1', signal: never }),
      /not a public address/,
    )
  }
  assert.deepEqual(server.requests, [])
})

function open() {
  const clock = new ManualClock()
  const retired: string[] = []
  const any = new AnyUpstream(
    { name: '*', access: 'public', origins: [] },
    {
      clock,
      open: (upstream) => openOriginChain(upstream, deps),
      retire: (chain) => void retired.push(...chain.labels),
    },
  )
  return { clock, retired, any }
}

test('so many registries are open through "*", and those asked for longest ago make room after a minute', async () => {
  const { clock, retired, any } = open()
  for (let i = 0; i < MOST_OPEN; i++) assert.ok(any.chain(`r${i}.example.com`))
  assert.equal(any.chain('one-more.example.com'), undefined)
  assert.equal(any.places.length, MOST_OPEN)
  const first = any.chain('r0.example.com')
  clock.advance(59_000)
  assert.equal(any.chain('r0.example.com'), first)
  clock.advance(1_000)
  assert.ok(any.chain('one-more.example.com'))
  assert.deepEqual(retired, ['registry https://r1.example.com'])
  assert.equal(any.chain('r0.example.com'), first)
  for (let i = 0; i < 10_000; i++) any.chain(`x${i}.example.com`)
  assert.equal(any.places.length, MOST_OPEN)
  await any[Symbol.asyncDispose]()
})

test('names that "*" does not stand for open nothing', async () => {
  const { any } = open()
  for (const name of ['localhost:5000', '10.0.0.1', 'metadata.internal']) {
    assert.equal(any.has(name), false)
    assert.equal(any.chain(name), undefined)
  }
  assert.equal(any.places.length, 0)
})

test('what looks whether an origin lives opens nothing, and does not throw when no more may be opened', async () => {
  const config = { upstreams: [{ name: '*', access: 'public', origins: [] } as const], search: [] }
  await using upstreams = new LiveUpstreams(config, { ...deps, registry: noMetrics, hopName: 'here' })
  const named = (name: string): UpstreamAccess | undefined => upstreams.byName.get(name)
  assert.equal(named('quay.io')?.opened, undefined)
  assert.deepEqual(upstreams.states[0]?.origins, [])
  for (let i = 0; i < MOST_OPEN; i++) {
    const { chain } = named(`r${i}.example.com`)!
    assert.equal(named(`r${i}.example.com`)?.opened, chain)
  }
  assert.equal(named('one-more.example.com')?.opened, undefined)
  assert.throws(() => named('one-more.example.com')?.chain, { code: 'ORIGIN_UNREACHABLE' })
})
