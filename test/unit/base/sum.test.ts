import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dividedLike, sumOf } from '../../../src/base/sum.ts'

test('what is divided adds up, in whole numbers, and nobody is given more than was counted of him', () => {
  const count = fc.integer({ min: 0, max: 2 ** 40 })
  fc.assert(
    fc.property(fc.record({ peer: count, home: count, origin: count }), count, (counts, total) => {
      const { shares, left } = dividedLike(counts, total)
      assert.equal(sumOf(shares) + left, total)
      for (const kind of ['peer', 'home', 'origin'] as const) {
        assert.ok(Number.isInteger(shares[kind]) && shares[kind] >= 0 && shares[kind] <= counts[kind])
      }
    }),
  )
})
