import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_SWARM_LIMITS, fittingLimits } from '../../../src/swarm/options.ts'

test('links and handshakes keep within the files that peers may take, however few there are', () => {
  const { cache } = DEFAULT_SWARM_LIMITS
  const fits = (files: number): number[] => {
    const { maxLinks, maxHandshakes } = fittingLimits(cache, files)
    return [maxLinks, maxHandshakes]
  }
  assert.deepEqual(fits(10), [2, 1])
  assert.deepEqual(fits(394), [105, 15])
  for (const plenty of [65_536, Number.POSITIVE_INFINITY]) assert.deepEqual(fits(plenty), [4096, 256])
})
