import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openFileLimit } from '../../../src/base/open-files.ts'
import { DEFAULT_SWARM_LIMITS, fittingLimits } from '../../../src/swarm/options.ts'

test('links and handshakes leave files for everything else, however few there are', () => {
  const { cache } = DEFAULT_SWARM_LIMITS
  const fits = (openFiles: number): number[] => {
    const { maxLinks, maxHandshakes } = fittingLimits(cache, openFiles)
    return [maxLinks, maxHandshakes]
  }
  assert.deepEqual(fits(32), [4, 4])
  assert.deepEqual(fits(1024), [320, 64])
  assert.deepEqual(fits(4096), [1344, 256])
  for (const plenty of [65_536, Number.POSITIVE_INFINITY]) assert.deepEqual(fits(plenty), [4096, 256])
})

test('the limit of open files is read, and where it is not said there is none', () => {
  assert.ok(openFileLimit() > 0)
  assert.equal(openFileLimit('/nowhere'), Number.POSITIVE_INFINITY)
})
