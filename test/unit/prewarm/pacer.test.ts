import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Pacer } from '../../../src/prewarm/pacer.ts'

const MIB = 1024 * 1024

describe('the pacer', () => {
  it('allows anything when there is no rate', () => {
    const pacer = new Pacer(0)
    pacer.came(100 * MIB)
    assert.equal(pacer.allowance(1), Number.POSITIVE_INFINITY)
  })

  it('keeps the rate over a long time, however the bytes come', () => {
    const pacer = new Pacer(0)
    pacer.setRate(10 * MIB, 0)
    let came = 0
    for (let now = 0; now <= 60_000; now += 100) {
      const pieces = Math.floor(pacer.allowance(now) / (2 * MIB))
      came += pieces * 2 * MIB
      pacer.came(pieces * 2 * MIB)
    }
    assert.ok(came <= 600 * MIB + 4 * MIB && came >= 590 * MIB, `${came / MIB} MiB in a minute at 10 MiB/s`)
  })

  it('begins with nothing, and a large debt is paid before anything more is allowed', () => {
    const pacer = new Pacer(0)
    pacer.setRate(MIB, 0)
    assert.equal(pacer.allowance(0), 0)
    pacer.came(10 * MIB)
    assert.equal(pacer.allowance(9_000), 0)
    assert.equal(pacer.allowance(11_000), MIB)
  })

  it('does not save up for hours', () => {
    const pacer = new Pacer(0)
    pacer.setRate(MIB, 0)
    assert.equal(pacer.allowance(3_600_000), 4 * MIB)
  })
})
