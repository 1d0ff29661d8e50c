import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { Place } from '../../../src/scheduler/index.ts'
import { NEIGHBOURS_MOST, oneTooMany } from '../../../src/scheduler/index.ts'
import { KeptNeighbours } from '../../../src/scheduler/kept-neighbours.ts'

const placeOf: fc.Arbitrary<Place> = fc.record({
  zone: fc.constantFrom(null, 'a', 'b'),
  hash: fc.nat(2 ** 32 - 1),
  group: fc.constantFrom(undefined, 'one', 'two', 'three'),
})

it('a home foresees whom a host would keep, whatever it keeps, loses and keeps again', () => {
  fc.assert(
    fc.property(
      placeOf,
      fc.array(placeOf, { minLength: NEIGHBOURS_MOST, maxLength: NEIGHBOURS_MOST + 4 }),
      fc.array(placeOf, { minLength: 1, maxLength: 30 }),
      (self, first, newcomers) => {
        const kept = new KeptNeighbours<Place>()
        const plain = new Set<Place>()
        const keep = (other: Place): void => {
          kept.add(other)
          plain.add(other)
          const excess = kept.oneTooMany(self)
          assert.equal(excess, oneTooMany(self, [...plain]))
          if (excess === undefined) return
          kept.delete(excess)
          plain.delete(excess)
        }
        for (const other of first) keep(other)
        for (const other of newcomers) {
          assert.equal(kept.admits(self, other), oneTooMany(self, [...plain, other]) !== other)
          keep(other)
        }
      },
    ),
    { numRuns: 2_000 },
  )
})
