import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Batches, runsOf } from '../../../src/transfer/batches.ts'
import { ManualClock } from '../store/store-fixture.ts'

function recorded(most: number) {
  const clock = new ManualClock()
  const flushed: [string, number[]][] = []
  const batches = new Batches<string>(clock, 10, most, (key, pieces) => void flushed.push([key, pieces]))
  return { clock, flushed, batches }
}

test('pieces gathered within the time go on together, each key for itself', () => {
  const { clock, flushed, batches } = recorded(8)
  batches.add('a', 1)
  clock.advance(5)
  batches.add('b', 2)
  batches.add('a', 3)
  clock.advance(5)
  assert.deepEqual(flushed, [['a', [1, 3]]])
  clock.advance(5)
  assert.deepEqual(flushed.slice(1), [['b', [2]]])
})

test('a full batch goes at once, and only once', () => {
  const { clock, flushed, batches } = recorded(2)
  batches.add('a', 1)
  batches.add('a', 2)
  assert.deepEqual(flushed, [['a', [1, 2]]])
  clock.advance(100)
  assert.equal(flushed.length, 1)
})

test('a dropped batch is never told, a flushed one not again', () => {
  const { clock, flushed, batches } = recorded(8)
  batches.add('a', 1)
  batches.drop('a')
  batches.add('b', 1)
  batches.flush('b')
  batches.flush('c')
  clock.advance(100)
  assert.deepEqual(flushed, [['b', [1]]])
})

test('numbers in any order become ascending runs', () => {
  assert.deepEqual(runsOf([5, 1, 2, 9, 6, 0]), [
    { first: 0, count: 3 },
    { first: 5, count: 2 },
    { first: 9, count: 1 },
  ])
  assert.deepEqual(runsOf([]), [])
})
