import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { contentRange, selectRange } from '../../../src/registry/byte-range.ts'

const WHOLE = 'whole'
const NO = 'unsatisfiable'

describe('byte ranges', () => {
  const cases: [header: string | undefined, size: number, expected: 'whole' | 'unsatisfiable' | [number, number]][] = [
    [undefined, 2048, WHOLE],
    ['bytes=500-1499', 2048, [500, 1500]],
    ['bytes=500-', 2048, [500, 2048]],
    ['bytes=-500', 2048, [1548, 2048]],
    ['bytes=2000-5000', 2048, [2000, 2048]],
    ['bytes=500-0', 2048, NO],
    ['bytes=5000-10000', 2048, NO],
    ['bytes=0-', 2048, [0, 2048]],
    ['bytes=0-0', 2048, [0, 1]],
    ['bytes=0-2047', 2048, [0, 2048]],
    ['bytes=2047-', 2048, [2047, 2048]],
    ['bytes=2048-', 2048, NO],
    ['bytes=-5000', 2048, [0, 2048]],
    ['bytes=-0', 2048, NO],
    ['bytes=0-99999999999999999999999999', 2048, [0, 2048]],
    ['bytes=99999999999999999999999999-', 2048, NO],
    ['BYTES=1-2', 2048, [1, 3]],
    ['bytes= 1-2 ', 2048, [1, 3]],
    ['bytes=3000000000-', 5_000_000_000, [3_000_000_000, 5_000_000_000]],
    ['bytes=0-', 0, WHOLE],
    ['bytes=-1', 0, WHOLE],
    ['bytes=0-0', 0, WHOLE],
    [undefined, 0, WHOLE],
    ['bytes=0-1, bytes=3-4', 2048, WHOLE],
    ['bytes=-', 2048, WHOLE],
    ['bytes=', 2048, WHOLE],
    ['bytes=a-b', 2048, WHOLE],
    ['bytes=1-2x', 2048, WHOLE],
    ['bytes=+1-2', 2048, WHOLE],
    ['bytes=--1', 2048, WHOLE],
    ['pieces=0-1', 2048, WHOLE],
    ['0-1', 2048, WHOLE],
  ]
  for (const [header, size, expected] of cases) {
    it(`${header} of ${size} is ${expected}`, () => {
      const selection = selectRange(header, size)
      if (typeof expected === 'string') assert.equal(selection.kind, expected)
      else {
        assert.ok(selection.kind === 'part')
        assert.deepEqual([selection.range.start, selection.range.end], expected)
      }
    })
  }

  const several: [header: string, expected: 'whole' | 'unsatisfiable' | [number, number][]][] = [
    [
      'bytes=0-1,3-4',
      [
        [0, 2],
        [3, 5],
      ],
    ],
    [
      'bytes=3-4,0-1',
      [
        [3, 5],
        [0, 2],
      ],
    ],
    [
      'bytes= 0-1 ,\t3-4,',
      [
        [0, 2],
        [3, 5],
      ],
    ],
    [
      'bytes=0-0,-1',
      [
        [0, 1],
        [2047, 2048],
      ],
    ],
    [
      'bytes=0-1,2000-',
      [
        [0, 2],
        [2000, 2048],
      ],
    ],
    // touching, overlapping, nested, and one that closes the gap between two
    ['bytes=0-1,2-3', [[0, 4]]],
    ['bytes=10-20,15-30', [[10, 31]]],
    ['bytes=10-20,12-13', [[10, 21]]],
    [
      'bytes=50-59,0-9,20-29,10-19',
      [
        [50, 60],
        [0, 30],
      ],
    ],
    ['bytes=0-,-1', [[0, 2048]]],
    // beyond the end
    ['bytes=0-1,5000-6000', [[0, 2]]],
    ['bytes=5000-6000,7000-', NO],
    ['bytes=-0,2048-', NO],
    // not to be read: ignored as a whole
    ['bytes=0-1,4-3', WHOLE],
    ['bytes=0-1,x', WHOLE],
    ['bytes=0-1,-', WHOLE],
    [
      `bytes=${Array.from({ length: 64 }, (_, i) => `${i * 10}-${i * 10}`).join()}`,
      Array.from({ length: 64 }, (_, i) => [i * 10, i * 10 + 1]),
    ],
    [`bytes=${Array.from({ length: 65 }, (_, i) => `${i * 10}-${i * 10}`).join()}`, WHOLE],
    [`bytes=${'0-0,'.repeat(5000)}`, WHOLE],
  ]
  for (const [header, expected] of several) {
    it(`${header.slice(0, 60)} of 2048 is ${JSON.stringify(expected).slice(0, 60)}`, () => {
      const selection = selectRange(header, 2048)
      if (typeof expected === 'string') return assert.equal(selection.kind, expected)
      assert.ok(selection.kind === 'part' || selection.kind === 'parts')
      const ranges = selection.kind === 'part' ? [selection.range] : selection.ranges
      assert.deepEqual(
        ranges.map(({ start, end }) => [start, end]),
        expected,
      )
    })
  }

  const parts: [header: string, isPart: boolean][] = [
    ['bytes=5-6', true],
    ['bytes=-51', true],
    ['bytes=2000-2047', true],
    ['bytes=0-9', true],
    ['bytes=1-2,5-6', true],
    // whoever names no end, or all of it, means to have the blob
    ['bytes=5-', false],
    ['bytes=0-', false],
    ['bytes=0-2047', false],
    ['bytes=-2048', false],
    ['bytes=5-,2-10', false],
  ]
  for (const [header, isPart] of parts) {
    it(`${header} of 2048 is ${isPart ? 'a part for its own sake' : 'a pull'}`, () => {
      const selection = selectRange(header, 2048)
      assert.ok(selection.kind === 'part' || selection.kind === 'parts')
      const [range] = selection.kind === 'part' ? [selection.range] : selection.ranges
      assert.equal(range?.isPart, isPart)
    })
  }

  it('writes Content-Range with an inclusive end', () => {
    assert.equal(contentRange({ start: 500, end: 1500 }, 2048), 'bytes 500-1499/2048')
    assert.equal(contentRange(undefined, 2048), 'bytes */2048')
  })
})
