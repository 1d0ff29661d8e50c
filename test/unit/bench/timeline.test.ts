import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TrafficSample } from '../../../bench/fleet/timeline.ts'
import { timelineOf, timelineText, unusedOf } from '../../../bench/fleet/timeline.ts'

const sample = (atMs: number, up: number, down: number): TrafficSample => ({
  atMs,
  hosts: new Map([
    ['cache', { up, down: 0 }],
    ['host-1', { up: 0, down }],
  ]),
})

const RATES = new Map([
  ['cache', { up: 4, down: 8 }],
  ['host-1', { up: 2, down: 1 }],
])

describe('how full the links of a fleet are', () => {
  const samples = [sample(0, 0, 0), sample(500, 2_000, 100), sample(1_000, 4_000, 600), sample(2_000, 4_000, 850)]
  const timeline = timelineOf(samples, RATES, 500, new Set(['host-1']))

  it('is what each has carried since the sample before, of what it may carry in that time', () => {
    assert.deepEqual(timeline.down, [{ link: 'host-1', shares: [0.2, 1, 0.25] }])
    assert.deepEqual(timeline.up, [
      { link: 'cache', shares: [1, 1, 0] },
      { link: 'host-1', shares: [0, 0, 0] },
    ])
  })

  it('tells what is lost before a downlink fills, after it empties, and between', () => {
    const shares = [0, 0.5, 1, 0.5, 0.9, 0.25]
    const unused = unusedOf({ everyMs: 1_000, up: [], down: [{ link: 'host-1', shares }] })
    assert.equal(unused.start, 1.5)
    assert.equal(unused.middle.toFixed(2), '0.60')
    assert.equal(unused.tail, 0.75)
  })

  it('is a row a link in text, of sixty columns at most', () => {
    assert.deepEqual(timelineText(timeline).slice(1), ['host-1 down ▂█▂', 'cache  up   ██', 'host-1 up'])
    const long = { everyMs: 500, up: [], down: [{ link: 'host-1', shares: Array.from({ length: 100 }, () => 1) }] }
    assert.deepEqual(timelineText(long).slice(1), [`host-1 down ${'█'.repeat(50)}`])
  })
})
