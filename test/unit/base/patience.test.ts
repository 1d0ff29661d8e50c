import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as patience from '../../../src/base/patience.ts'

test('whoever waits is told before it gives up by itself', () => {
  const { MIRROR_ANSWER_MS, ANNOUNCE_BUSY_MS, ASK_MS, DIAL_MS, AT_WORK_AFTER_MS, LINGER_MS } = patience
  const outermostFirst = [10_000, MIRROR_ANSWER_MS, ANNOUNCE_BUSY_MS, ASK_MS, DIAL_MS, AT_WORK_AFTER_MS]
  for (const [i, inner] of outermostFirst.slice(1).entries()) assert.ok(inner < outermostFirst[i]!, `${inner} ms`)
  // a cache that is passed over leaves time for its stand-in to say something, too
  assert.ok(ASK_MS + AT_WORK_AFTER_MS <= 10_000)
  // what a busy home has is announced in time also where a range was waited for first
  assert.ok(patience.ALONE_MS + ANNOUNCE_BUSY_MS < MIRROR_ANSWER_MS)
  // how what is known of an origin decides
  const { silent, unheard, lives, slow } = patience.ANSWER_MS
  assert.ok(silent < unheard && unheard < lives && lives < slow)
  // a slow origin is waited for no longer than containerd would, and the next origin can still answer in time
  assert.ok(patience.SLOW_ANSWER_MS < 30_000 && patience.NEXT_ORIGIN_MS + AT_WORK_AFTER_MS < MIRROR_ANSWER_MS)
  assert.ok(patience.ORIGIN_HEADERS_MS > patience.SLOW_ANSWER_MS && patience.ORIGIN_HEADERS_MS <= LINGER_MS)
  // a home's word that its origin is silent is there before that of an origin which is not is waited for
  assert.ok(patience.SAY_SILENT_AFTER_MS < patience.SILENT_ANSWER_MS && patience.SILENT_ANSWER_MS < AT_WORK_AFTER_MS)
  // nobody left to ask instead: longer than a runtime waits here; hosts that stand in leave the origin as much
  assert.ok(patience.LAST_ASK_MS > patience.SLOW_ANSWER_MS && patience.LAST_ASK_MS < LINGER_MS)
  assert.ok(patience.STAND_INS_MS < ASK_MS && patience.STAND_INS_MS + patience.NEXT_ORIGIN_MS <= MIRROR_ANSWER_MS)
  // who comes again after a refusal finds the work further than when it began
  assert.ok(LINGER_MS > 2 * patience.SLOW_ANSWER_MS)
})

test('a wait that is in vain and then the registry: 1.2 times its own time and ten seconds, whatever that is', () => {
  const { lives, unheard, silent } = patience.ANSWER_MS
  for (let registryMs = 0; registryMs <= 60_000; registryMs += 100) {
    for (const waitMs of [lives, unheard, silent]) {
      const together = registryMs <= waitMs ? registryMs : waitMs + registryMs
      assert.ok(together < 1.2 * registryMs + 10_000, `${waitMs} ms, and ${registryMs} ms`)
    }
  }
})

test('a command hears from its host, and that from a cache, before either gives up', () => {
  const { COMMAND_MS, ADMIN_ANSWER_MS, CACHE_ANSWER_MS, WHY_PART_MS, CAPACITY_MS, DIAL_MS } = patience
  const outermostFirst = [COMMAND_MS, ADMIN_ANSWER_MS, CACHE_ANSWER_MS, CAPACITY_MS + DIAL_MS]
  for (const [i, inner] of outermostFirst.slice(1).entries()) assert.ok(inner < outermostFirst[i]!, `${inner} ms`)
  assert.ok(2 * WHY_PART_MS < ADMIN_ANSWER_MS)
})
