import assert from 'node:assert/strict'
import { it } from 'node:test'
import { PartEnds } from '../../../src/transfer/part-ends.ts'

const cases: [what: string, parts: [start: number, end: number][], goesOn: boolean[]][] = [
  [
    'one after the other',
    [
      [0, 10],
      [10, 20],
      [20, 30],
    ],
    [false, true, true],
  ],
  [
    'side by side, each going on by itself',
    [
      [0, 10],
      [100, 110],
      [10, 20],
      [110, 120],
    ],
    [false, false, true, true],
  ],
  [
    'a footer, what lies before it, and files here and there',
    [
      [90, 100],
      [60, 90],
      [0, 5],
      [40, 45],
    ],
    [false, false, false, false],
  ],
  [
    'the same again',
    [
      [0, 10],
      [0, 10],
    ],
    [false, false],
  ],
  [
    'twice at the same end',
    [
      [0, 10],
      [10, 20],
      [10, 20],
    ],
    [false, true, false],
  ],
]
for (const [what, parts, goesOn] of cases) {
  it(`parts that are read ${what}`, () => {
    const ends = new PartEnds()
    assert.deepEqual(
      parts.map(([start, end]) => ends.goesOn(start, end)),
      goesOn,
    )
  })
}

it('parts that ended long ago are forgotten', () => {
  const ends = new PartEnds()
  for (let i = 0; i < 1_000; i++) ends.goesOn(1_000 * i, 1_000 * i + 1)
  assert.equal(ends.goesOn(1, 2), false)
  assert.equal(ends.goesOn(999_001, 999_002), true)
})
