import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PageKeys } from '../../../src/admin/page-keys.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const HOUR_MS = 3_600_000

describe('the keys of pages', () => {
  it('are had for a code that is good for one use', () => {
    const keys = new PageKeys(new ManualClock())
    const code = keys.newCode()
    const key = keys.redeem(code)
    assert.ok(key !== undefined && keys.accepts(key))
    assert.equal(keys.redeem(code), undefined)
    assert.equal(keys.accepts(code), false)
    assert.equal(keys.redeem(key), undefined)
  })

  it('are had for nothing else', () => {
    const keys = new PageKeys(new ManualClock())
    keys.newCode()
    for (const guess of ['', 'undefined', '0'.repeat(43)]) {
      assert.equal(keys.redeem(guess), undefined)
      assert.equal(keys.accepts(guess), false)
    }
  })

  it('end after a working day, and a link that nobody opens after ten minutes', () => {
    const clock = new ManualClock()
    const keys = new PageKeys(clock)
    const [soon, late] = [keys.newCode(), keys.newCode()]
    clock.advance(HOUR_MS / 6 - 1)
    const key = keys.redeem(soon) ?? ''
    clock.advance(1)
    assert.equal(keys.redeem(late), undefined)
    clock.advance(12 * HOUR_MS - 2)
    assert.equal(keys.accepts(key), true)
    clock.advance(1)
    assert.equal(keys.accepts(key), false)
  })

  it('are not kept without end: the oldest goes for another', () => {
    const keys = new PageKeys(new ManualClock())
    const codes = Array.from({ length: 65 }, () => keys.newCode())
    const given = codes.map((code) => keys.redeem(code))
    assert.deepEqual(
      given.map((key) => key === undefined),
      codes.map((_, index) => index === 0),
    )
  })
})
