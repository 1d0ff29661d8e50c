import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TokenBucket } from '../../../src/base/token-bucket.ts'
import { ManualClock } from '../../support/manual-clock.ts'

test('what was taken comes back with time, and never more than there was', () => {
  const clock = new ManualClock()
  const bucket = new TokenBucket(clock, { most: 8, perSec: 2 })
  bucket.take(8)
  assert.equal(bucket.left, 0)
  clock.advance(1_500)
  assert.equal(bucket.left, 3)
  clock.advance(3_600_000)
  assert.deepEqual([bucket.left, bucket.share], [8, 1])
})

test('what was taken beyond it is paid first, up to a quarter', () => {
  const clock = new ManualClock()
  const bucket = new TokenBucket(clock, { most: 8, perSec: 1 })
  bucket.take(1_000_000)
  assert.equal(bucket.left, -2)
  clock.advance(2_000)
  assert.equal(bucket.left, 0)
})
