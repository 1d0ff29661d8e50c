import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Batches, runsOf } from '../../../src/transfer/batches.ts'
import { ManualClock } from '../../support/manual-clock.ts'

function recorded(most: number) {
  const clock = new ManualClock()
  const flushed: [string, number[]][] = []
  const batches = new Batches<string>(clock, 10, most, (key, pieces) => void flushed.push([key, pieces]))
  return { clock, flushed, batches }
}

test('the first piece goes at once, those gathered after it together, each key for itself', () => {
  const { clock, flushed, batches } = recorded(8)
  batches.add('a', 1)
  assert.deepEqual(flushed, [['a', [1]]])
  batches.add('a', 2)
  clock.advance(5)
  batches.add('b', 3)
  batches.add('a', 4)
  batches.add('b', 5)
  assert.deepEqual(flushed.splice(0), [
    ['a', [1]],
    ['b', [3]],
  ])
  clock.advance(5)
  assert.deepEqual(flushed.splice(0), [['a', [2, 4]]])
  clock.advance(5)
  assert.deepEqual(flushed, [['b', [5]]])
})

test('after a quiet time a piece goes at once again, before it has passed it waits', () => {
  const { clock, flushed, batches } = recorded(8)
  batches.add('a', 1)
  clock.advance(10)
  batches.add('a', 2)
  batches.add('a', 3)
  assert.deepEqual(flushed.splice(0), [
    ['a', [1]],
    ['a', [2]],
  ])
  clock.advance(10)
  batches.add('a', 4)
  assert.deepEqual(flushed, [['a', [3]]])
})

test('a full batch goes at once, and only once', () => {
  const { clock, flushed, batches } = recorded(2)
  for (const piece of [1, 2, 3]) batches.add('a', piece)
  assert.deepEqual(flushed.slice(1), [['a', [2, 3]]])
  clock.advance(100)
  assert.equal(flushed.length, 2)
})

test('a dropped batch is never told, a flushed one not again', () => {
  const { clock, flushed, batches } = recorded(8)
  for (const key of ['a', 'b']) for (const piece of [1, 2]) batches.add(key, piece)
  batches.drop('a')
  batches.flush('b')
  batches.flush('c')
  clock.advance(100)
  assert.deepEqual(flushed, [
    ['a', [1]],
    ['b', [1]],
    ['b', [2]],
  ])
})

test('numbers in any order become ascending runs', () => {
  assert.deepEqual(runsOf([5, 1, 2, 9, 6, 0]), [
    { first: 0, count: 3 },
    { first: 5, count: 2 },
    { first: 9, count: 1 },
  ])
  assert.deepEqual(runsOf([]), [])
})
