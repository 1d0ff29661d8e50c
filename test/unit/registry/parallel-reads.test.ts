import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Starts } from '../../../src/registry/parallel-reads.ts'

const MIB = 1024 * 1024

function starts(...at: number[]): Starts {
  const seen = new Starts()
  for (const start of at) seen.add(start)
  return seen
}

describe('where the chunk of an open-ended range ends', () => {
  const cases: [what: string, seen: number[], start: number, end: number | undefined][] = [
    ['a reader that is alone has no chunk', [0], 0, undefined],
    ['one that came twice is alone', [5 * MIB, 5 * MIB], 5 * MIB, undefined],
    ['at the next', [0, 4 * MIB, 8 * MIB], 0, 4 * MIB],
    ['in whatever order they came', [8 * MIB, 0, 4 * MIB], 4 * MIB, 8 * MIB],
    ['of the last, as far as others', [0, 4 * MIB, 8 * MIB], 8 * MIB, 12 * MIB],
    ['before one that is missing yet', [0, MIB, 9 * MIB], MIB, 2 * MIB],
    ['not within 64 KiB', [0, 1, 1000], 0, undefined],
    ['of three that resume anywhere', [10, 3 * MIB, 9 * MIB], 3 * MIB, 3 * MIB + 3 * MIB - 10],
  ]
  for (const [what, seen, start, end] of cases) {
    it(what, () => assert.equal(starts(...seen).chunkEnd(start), end))
  }
})
