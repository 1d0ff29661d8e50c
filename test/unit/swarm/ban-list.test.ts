import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../../../src/base/clock.ts'
import { BanList } from '../../../src/swarm/ban-list.ts'

test('a ban ends by itself and can be prolonged', () => {
  let now = 0
  const clock: Clock = { now: () => now, after: () => ({ [Symbol.dispose]() {} }) }
  const bans = new BanList(clock)
  bans.add('a', 100)
  assert.ok(bans.has('a'))
  assert.ok(!bans.has('b'))
  now = 99
  bans.add('a', 100)
  now = 198
  assert.ok(bans.has('a'))
  now = 199
  assert.ok(!bans.has('a'))
  assert.equal(bans.size, 0)
})

test('the list is bounded: the oldest ban gives way', () => {
  const clock: Clock = { now: () => 0, after: () => ({ [Symbol.dispose]() {} }) }
  const bans = new BanList(clock)
  for (let i = 0; i < 5000; i++) bans.add(`peer-${i}`, 1000)
  assert.equal(bans.size, 4096)
  assert.ok(!bans.has('peer-0'))
  assert.ok(bans.has('peer-4999'))
})
