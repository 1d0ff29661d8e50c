import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HandedOn } from '../../../src/scheduler/batches.ts'
import { Batches, runsOf } from '../../../src/scheduler/batches.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const QUIET_MS = 10

/** Batches whose owner keeps time for them, and what they hand on. */
function recorded(most: number) {
  const clock = new ManualClock()
  const told: [number, readonly number[]][] = []
  const batches = new Batches(most)
  const handOn = (blob: number, news: HandedOn | undefined): void => {
    if (news === undefined) return
    told.push([blob, news.pieces])
    clock.after(QUIET_MS, () => handOn(blob, batches.due(blob, news.turn)))
  }
  const add = (blob: number, piece: number): void => handOn(blob, batches.add(blob, piece))
  return { clock, told, batches, add, handOn }
}

test('the first piece goes at once, those gathered after it together, each blob for itself', () => {
  const { clock, told, add } = recorded(8)
  add(1, 1)
  assert.deepEqual(told, [[1, [1]]])
  for (const piece of [2, 3, 4]) add(1, piece)
  clock.advance(5)
  add(2, 5)
  add(1, 6)
  add(2, 7)
  assert.deepEqual(told.splice(0), [
    [1, [1]],
    [1, [2, 3]],
    [2, [5]],
  ])
  clock.advance(5)
  assert.deepEqual(told.splice(0), [[1, [4, 6]]])
  clock.advance(5)
  assert.deepEqual(told, [[2, [7]]])
})

test('twice as many go together each time, up to the most, and one again after a quiet time', () => {
  const { clock, told, add } = recorded(8)
  const sizes = (): number[] => told.splice(0).map(([, pieces]) => pieces.length)
  for (let piece = 0; piece < 1 + 2 + 4 + 8 + 8; piece++) add(1, piece)
  assert.deepEqual(sizes(), [1, 2, 4, 8, 8])
  clock.advance(QUIET_MS)
  for (let piece = 30; piece < 33; piece++) add(1, piece)
  assert.deepEqual(sizes(), [1, 2])
})

test('after a quiet time a piece goes at once again, before it has passed it waits', () => {
  const { clock, told, add } = recorded(8)
  add(1, 1)
  clock.advance(10)
  add(1, 2)
  add(1, 3)
  assert.deepEqual(told.splice(0), [
    [1, [1]],
    [1, [2]],
  ])
  clock.advance(10)
  add(1, 4)
  assert.deepEqual(told, [[1, [3]]])
})

test('a full batch goes at once, and only once', () => {
  const { clock, told, add } = recorded(2)
  for (const piece of [1, 2, 3]) add(1, piece)
  assert.deepEqual(told.slice(1), [[1, [2, 3]]])
  clock.advance(100)
  assert.equal(told.length, 2)
})

test('the quiet time of a full batch counts from its end', () => {
  const { clock, told, add } = recorded(2)
  add(1, 1)
  clock.advance(6)
  for (const piece of [2, 3, 4]) add(1, piece)
  clock.advance(6)
  assert.deepEqual(told.slice(2), [])
  clock.advance(4)
  assert.deepEqual(told.slice(2), [[1, [4]]])
})

test('a dropped batch is never told, a flushed one not again', () => {
  const { clock, told, batches, add, handOn } = recorded(8)
  for (const blob of [1, 2]) for (const piece of [1, 2]) add(blob, piece)
  batches.drop(1)
  handOn(2, batches.flush(2))
  handOn(3, batches.flush(3))
  clock.advance(100)
  assert.deepEqual(told, [
    [1, [1]],
    [2, [1]],
    [2, [2]],
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
