import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as patience from '../../../src/base/patience.ts'

test('whoever waits is told before it gives up by itself', () => {
  const { MIRROR_ANSWER_MS, ANNOUNCE_BUSY_MS, ASK_MS, DIAL_MS, AT_WORK_AFTER_MS, LINGER_MS } = patience
  const outermostFirst = [10_000, MIRROR_ANSWER_MS, ANNOUNCE_BUSY_MS, ASK_MS, DIAL_MS, AT_WORK_AFTER_MS]
  for (const [i, inner] of outermostFirst.slice(1).entries()) assert.ok(inner < outermostFirst[i]!, `${inner} ms`)
  // a cache that is passed over leaves time for its stand-in to say something, too
  assert.ok(ASK_MS + AT_WORK_AFTER_MS <= 10_000)
  // who comes again after a refusal finds the work further than when it began
  assert.ok(LINGER_MS > 2 * MIRROR_ANSWER_MS)
})
