import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '../../../src/oci/digest.ts'
import { PieceBuffers } from '../../../src/transfer/piece-buffers.ts'

const BLOB = `sha256:${'1'.repeat(64)}` as Digest
const SIZE = 1024

function filled(buffers: PieceBuffers, value: number, length = SIZE): Uint8Array<ArrayBuffer> {
  return buffers.take(SIZE, length).fill(value)
}

function recalled(buffers: PieceBuffers, piece: number, start = 0, length = SIZE): number[] | undefined {
  const target = new Uint8Array(length)
  return buffers.recall(BLOB, piece, start, target) ? [...new Set(target)] : undefined
}

test('a piece can be read as long as its buffer is free', () => {
  const buffers = new PieceBuffers(SIZE)
  buffers.give(filled(buffers, 7), { blob: BLOB, piece: 3 })
  assert.deepEqual(recalled(buffers, 3), [7])
  assert.deepEqual(recalled(buffers, 3, 1000, 24), [7])
  assert.equal(recalled(buffers, 4), undefined)
  const reused = buffers.take(SIZE, SIZE)
  assert.equal(reused[0], 7, 'the memory is the same')
  assert.equal(recalled(buffers, 3), undefined)
})

test('a range beyond a short piece is not read from its buffer', () => {
  const buffers = new PieceBuffers(4 * SIZE)
  buffers.give(filled(buffers, 7, 100), { blob: BLOB, piece: 3 })
  assert.deepEqual(recalled(buffers, 3, 0, 100), [7])
  assert.equal(recalled(buffers, 3, 90, 11), undefined)
})

test('the buffer that has been free longest is reused, and let go, first', () => {
  const buffers = new PieceBuffers(2 * SIZE)
  const held = [1, 2, 3].map((value) => filled(buffers, value))
  for (const [piece, buffer] of held.entries()) buffers.give(buffer, { blob: BLOB, piece: piece })
  assert.equal(recalled(buffers, 0), undefined, 'more than may be kept')
  assert.deepEqual(recalled(buffers, 1), [2])
  buffers.take(SIZE, SIZE)
  assert.equal(recalled(buffers, 1), undefined)
  assert.deepEqual(recalled(buffers, 2), [3])
})

test('what was wrong is forgotten, and what comes again replaces it', () => {
  const buffers = new PieceBuffers(4 * SIZE)
  const [wrong, right] = [filled(buffers, 1), filled(buffers, 2)]
  buffers.give(wrong, { blob: BLOB, piece: 0 })
  buffers.forget(BLOB, [0, 1])
  assert.equal(recalled(buffers, 0), undefined)
  buffers.give(right, { blob: BLOB, piece: 0 })
  buffers.give(filled(buffers, 3), { blob: BLOB, piece: 0 })
  assert.deepEqual(recalled(buffers, 0), [3])
})

test('while less than half is used, a buffer that holds nothing or a new one is taken', () => {
  const buffers = new PieceBuffers(4 * SIZE)
  const [one, two] = [filled(buffers, 1), filled(buffers, 2)]
  buffers.give(one, { blob: BLOB, piece: 0 })
  const other = buffers.take(SIZE, SIZE)
  assert.notEqual(other.buffer, one.buffer)
  buffers.give(two)
  buffers.give(other)
  for (let n = 0; n < 9; n++) buffers.give(buffers.take(SIZE, SIZE).fill(n), { blob: BLOB, piece: n })
  assert.deepEqual(
    [4, 5, 6, 7, 8].map((piece) => recalled(buffers, piece)?.[0]),
    [undefined, undefined, 6, 7, 8],
  )
})

test('buffers of different sizes are not mixed up', () => {
  const buffers = new PieceBuffers(8 * SIZE)
  buffers.give(buffers.take(2 * SIZE, 2 * SIZE))
  assert.equal(buffers.take(SIZE, SIZE).buffer.byteLength, SIZE)
  assert.equal(buffers.take(2 * SIZE, SIZE).buffer.byteLength, 2 * SIZE)
})

test('a lent piece is given to nobody and stays what it was, whatever becomes of its name', () => {
  const buffers = new PieceBuffers(4 * SIZE)
  buffers.give(filled(buffers, 7, 100), { blob: BLOB, piece: 3 })
  const [one, other] = [buffers.lend(BLOB, 3), buffers.lend(BLOB, 3)]
  assert.ok(one !== undefined && other !== undefined)
  assert.equal(one.bytes.length, 100)
  assert.notEqual(buffers.take(SIZE, SIZE).buffer, one.bytes.buffer)
  one.release()
  assert.notEqual(buffers.take(SIZE, SIZE).buffer, one.bytes.buffer, 'the other reader is still at it')
  buffers.forget(BLOB, [3])
  assert.equal(buffers.lend(BLOB, 3), undefined)
  other.release()
  assert.notEqual(buffers.take(SIZE, SIZE).buffer, one.bytes.buffer, 'forgotten while it was lent')
  assert.deepEqual([...new Set(one.bytes)], [7])
})

test('a lent piece can be taken again once its last reader has ended', () => {
  const buffers = new PieceBuffers(SIZE)
  buffers.give(filled(buffers, 7), { blob: BLOB, piece: 3 })
  const [one, other] = [buffers.lend(BLOB, 3), buffers.lend(BLOB, 3)]
  assert.deepEqual(recalled(buffers, 3), [7])
  one?.release()
  other?.release()
  assert.equal(buffers.take(SIZE, SIZE).buffer, one?.bytes.buffer)
})

test('pieces whose readers never end make way for new ones', () => {
  const buffers = new PieceBuffers(2 * SIZE)
  const held = [0, 1, 2, 3].map((piece) => filled(buffers, piece))
  for (const [piece, buffer] of held.entries()) {
    buffers.give(buffer, { blob: BLOB, piece })
    if (piece < 2) buffers.lend(BLOB, piece)
  }
  assert.deepEqual(
    held.map((_, piece) => recalled(buffers, piece)?.[0]),
    [undefined, undefined, 2, 3],
  )
})
