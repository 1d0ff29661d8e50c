import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRng } from '../../../src/base/rng.ts'
import type { Point } from '../../soak/slope.ts'
import { grows, slopeOf } from '../../soak/slope.ts'

/** An hour of samples around a level that grows by so much a minute, as noisy as said. */
function hour(level: number, perMinute: number, noise: number): Point[] {
  const rng = seededRng(1)
  return Array.from({ length: 60 }, (_, at) => ({ at, value: level + perMinute * at + (rng.next() - 0.5) * noise }))
}

describe('a slope', () => {
  it('is that of a straight line, without error', () => {
    const { perMinute, error } = slopeOf(hour(100, 2, 0))
    assert.ok(Math.abs(perMinute - 2) < 1e-9 && error < 1e-6)
  })

  it('of a leak is found through noise', () => {
    assert.ok(grows(hour(200, 1, 20), 0.1))
  })

  it('of noise alone is none, and neither is one that is small for the level', () => {
    assert.ok(!grows(hour(200, 0, 60), 0.1))
    assert.ok(!grows(hour(200, 0.1, 0.5), 0.1))
  })

  it('of two points is not known', () => {
    assert.ok(!grows(hour(10, 100, 0).slice(0, 2), 0.1))
  })
})
