import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Config } from '../../../src/config/index.ts'
import { changedKeys, defaultConfig } from '../../../src/config/index.ts'

const before = defaultConfig('/')
const origin = { kind: 'directory', path: '/images' } as const

test('changed keys are named as a user writes them, upstreams by their name', () => {
  const cases: [Partial<Config>, string[]][] = [
    [{}, []],
    [{ role: 'cache' }, ['role']],
    [{ store: { ...before.store, capacityBytes: 1, minFreeBytes: 2 } }, ['store.capacity', 'store.minFree']],
    [{ mirror: { ...before.mirror, drainMs: 1, hosts: ['a'] } }, ['mirror.hosts', 'mirror.drain']],
    [{ tier: { ...before.tier, caches: ['a:1'], labels: { disk: 'ssd' } } }, ['tier.labels.disk', 'tier.caches']],
    [{ upstreams: [...before.upstreams].reverse() }, []],
    [{ upstreams: [{ name: 'x', access: 'public', origins: [origin] }, ...before.upstreams] }, ['upstreams.x']],
    [{ upstreams: before.upstreams.slice(1) }, [`upstreams.${before.upstreams[0]?.name}`]],
  ]
  for (const [change, keys] of cases) assert.deepEqual(changedKeys(before, { ...before, ...change }), keys)
})
