import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setBits } from '../../../src/piece/bitfield.ts'
import { SharedWindow } from '../../../src/transfer/shared-window.ts'

const PIECES = 1_000
const MOST = 40

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i)
}

function wanted(window: SharedWindow): number[] {
  return [...setBits(window.wanted)]
}

describe('what is fetched of a blob that cannot be stored', () => {
  it('is half of the room ahead of the only reader, in steps', () => {
    const window = new SharedWindow(PIECES, MOST)
    using place = window.open(100, false)
    assert.deepEqual(wanted(window), range(100, 120))
    place.move(109)
    assert.deepEqual(wanted(window), range(100, 120))
    place.move(110)
    assert.deepEqual(wanted(window), range(110, 130))
    place.move(995)
    assert.deepEqual(wanted(window), range(995, PIECES))
  })

  it('is one stretch for readers that are near each other', () => {
    const window = new SharedWindow(PIECES, MOST)
    for (const at of [0, 2, 4, 6]) window.open(at, false)
    assert.deepEqual(wanted(window), range(0, 20))
    assert.equal(window.first, 0)
  })

  it('is divided among readers that are far apart', () => {
    const window = new SharedWindow(PIECES, MOST)
    for (const at of [0, 500]) window.open(at, true)
    assert.deepEqual(wanted(window), [...range(0, 10), ...range(500, 510)])
  })

  it('is never more than there is room for, and goes to who moved last', () => {
    const window = new SharedWindow(PIECES, MOST)
    const places = range(0, 100).map((i) => window.open(i * 7, false))
    places[3]!.move(22)
    assert.equal(window.wanted.count, MOST)
    assert.ok(window.wanted.has(22))
  })

  it('does not wait for a reader that has stopped', () => {
    const window = new SharedWindow(PIECES, MOST)
    window.open(0, true)
    using quick = window.open(0, true)
    for (let at = 0; at < PIECES; at++) {
      quick.move(at)
      assert.ok(window.wanted.has(at), `${at}`)
    }
  })

  it('stays what it was when the last reader has left, and follows the one that is expected', () => {
    const window = new SharedWindow(PIECES, MOST)
    window.open(100, false)[Symbol.dispose]()
    assert.deepEqual(wanted(window), range(100, 120))
    window.expect(300)
    assert.deepEqual(wanted(window), range(300, 320))
  })
})

describe('what is let go of', () => {
  it('is nothing while there is room', () => {
    const window = new SharedWindow(PIECES, MOST)
    assert.deepEqual(window.excess(range(0, MOST), 0), [])
  })

  it('is what was used longest ago, and neither what somebody is about to read nor what has just come', () => {
    const window = new SharedWindow(PIECES, MOST)
    window.open(5, false)
    const kept = [...range(0, 7), ...range(100, 140)]
    assert.deepEqual(window.excess(kept, 0), [0, 1, 2, 3, 4, 100, 101])
    const few = [...range(5, 25), ...range(200, 221)]
    assert.deepEqual(window.excess(few, 0), [200])
    assert.deepEqual(window.excess([...range(5, 25), ...range(300, 308), ...range(400, 413)].slice(0, 33), 0), [])
  })

  it('is nothing that the proof of the whole still has to take in before its reader', () => {
    const window = new SharedWindow(PIECES, MOST)
    window.open(30, true)
    assert.deepEqual(window.excess(range(0, 42), 20), [0, 1])
    assert.deepEqual(window.excess([...range(25, 30), ...range(60, 97)], 20), [60, 61])
  })
})
