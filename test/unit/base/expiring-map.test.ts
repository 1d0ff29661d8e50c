import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExpiringMap } from '../../../src/base/expiring-map.ts'

test('an entry ends by itself and can be prolonged', () => {
  let now = 0
  const map = new ExpiringMap<string>({ now: () => now }, 10)
  map.set('a', 'one', 100)
  assert.equal(map.get('a'), 'one')
  assert.equal(map.get('b'), undefined)
  now = 99
  map.set('a', 'two', 100)
  now = 198
  assert.equal(map.get('a'), 'two')
  now = 199
  assert.equal(map.get('a'), undefined)
  assert.equal(map.size, 0)
})

test('a map is bounded: the entry set longest ago gives way', () => {
  const map = new ExpiringMap<number>({ now: () => 0 }, 100)
  for (let i = 0; i < 101; i++) map.set(`key-${i}`, i, 1000)
  map.set('key-1', 1, 1000)
  map.set('key-101', 101, 1000)
  assert.equal(map.size, 100)
  assert.deepEqual(
    [0, 1, 2, 3, 101].map((i) => map.get(`key-${i}`)),
    [undefined, 1, undefined, 3, 101],
  )
})
