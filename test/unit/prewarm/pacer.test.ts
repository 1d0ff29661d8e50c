import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Pacer } from '../../../src/prewarm/pacer.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const MIB = 1024 * 1024

describe('the pacer', () => {
  it('allows anything when there is no rate', () => {
    const clock = new ManualClock()
    const pacer = new Pacer(clock)
    pacer.came(100 * MIB)
    assert.equal(pacer.allowance, Number.POSITIVE_INFINITY)
  })

  it('keeps the rate over a long time, however the bytes come', () => {
    const clock = new ManualClock()
    const pacer = new Pacer(clock)
    pacer.setRate(10 * MIB)
    let came = 0
    for (; clock.now() <= 60_000; clock.advance(100)) {
      const pieces = Math.floor(pacer.allowance / (2 * MIB))
      came += pieces * 2 * MIB
      pacer.came(pieces * 2 * MIB)
    }
    assert.ok(came <= 600 * MIB + 4 * MIB && came >= 590 * MIB, `${came / MIB} MiB in a minute at 10 MiB/s`)
  })

  it('begins with nothing, and a large debt is paid before anything more is allowed', () => {
    const clock = new ManualClock()
    const pacer = new Pacer(clock)
    pacer.setRate(MIB)
    assert.equal(pacer.allowance, 0)
    pacer.came(10 * MIB)
    clock.advance(9_000)
    assert.equal(pacer.allowance, 0)
    clock.advance(2_000)
    assert.equal(pacer.allowance, MIB)
  })

  it('does not save up for hours', () => {
    const clock = new ManualClock()
    const pacer = new Pacer(clock)
    pacer.setRate(MIB)
    clock.advance(3_600_000)
    assert.equal(pacer.allowance, 4 * MIB)
  })
})
