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
    ['bytes=0-', 0, NO],
    ['bytes=-1', 0, NO],
    ['bytes=0-0', 0, NO],
    [undefined, 0, WHOLE],
    ['bytes=0-1,3-4', 2048, WHOLE],
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
      else assert.deepEqual(selection, { kind: 'part', range: { start: expected[0], end: expected[1] } })
    })
  }

  it('writes Content-Range with an inclusive end', () => {
    assert.equal(contentRange({ start: 500, end: 1500 }, 2048), 'bytes 500-1499/2048')
    assert.equal(contentRange(undefined, 2048), 'bytes */2048')
  })
})
