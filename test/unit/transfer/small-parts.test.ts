import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryPartial } from '../../../src/store/index.ts'
import { IdMap } from '../../../src/transfer/id-map.ts'
import { PieceBuffers } from '../../../src/transfer/piece-buffers.ts'
import { assertBytes, PIECE, testBlob, writePieces } from '../store/store-fixture.ts'

test('a key keeps its number until forgotten, and no number is given twice', () => {
  const ids = new IdMap<string>()
  const a = ids.number('a')
  assert.equal(ids.number('a'), a)
  assert.equal(ids.key(a), 'a')
  const nobody = ids.fresh()
  assert.equal(ids.key(nobody), undefined)
  ids.forget('a')
  assert.equal(ids.find('a'), undefined)
  assert.equal(ids.key(a), undefined)
  assert.equal(new Set([a, nobody, ids.number('a'), ids.number('b')]).size, 4)
})

test('a returned buffer is used again, also for the shorter last piece', () => {
  const buffers = new PieceBuffers(4 * PIECE)
  const first = buffers.take(PIECE, PIECE)
  assert.equal(first.length, PIECE)
  buffers.give(first)
  const short = buffers.take(PIECE, 100)
  assert.equal(short.length, 100)
  assert.equal(short.buffer, first.buffer)
  buffers.give(short)
  assert.equal(buffers.take(PIECE, PIECE).length, PIECE)
})

test('idle buffers beyond the limit are let go', () => {
  const buffers = new PieceBuffers(2 * PIECE)
  const taken = [1, 2, 3].map(() => buffers.take(PIECE, PIECE))
  for (const buffer of taken) buffers.give(buffer)
  const again = [1, 2, 3].map(() => buffers.take(PIECE, PIECE).buffer)
  assert.equal(again.filter((buffer) => taken.some((known) => known.buffer === buffer)).length, 2)
})

test('a partial in memory gives back what it holds, across pieces, and refuses what it let go', async () => {
  const blob = testBlob(3 * PIECE, 5)
  await using partial = new MemoryPartial(blob.layout)
  await writePieces(partial, blob, [0, 1, 2])
  const target = new Uint8Array(2 * PIECE - 100)
  await partial.readInto(target, 100)
  assertBytes(target, blob.bytes.subarray(100, 2 * PIECE))
  assert.deepEqual(partial.kept, [2, 0, 1])
  await partial.drop([0, 1])
  await assert.rejects(partial.readInto(new Uint8Array(1), 0), { code: 'STORE_FAILED' })
  await partial.readInto(new Uint8Array(1), 2 * PIECE)
  assert.equal(partial.have.has(0), false)
  await partial.drop([2])
  assert.equal(partial.have.has(2), false)
  assert.equal(partial.hash(2), undefined)
})

test('a partial in memory keeps its own copy: the buffer a piece came in is free again', async () => {
  const blob = testBlob(PIECE + 1, 6)
  await using partial = new MemoryPartial(blob.layout)
  const buffer = blob.bytes.slice(0, PIECE)
  await partial.write(0, buffer, new Uint8Array(32))
  buffer.fill(0)
  const target = new Uint8Array(PIECE)
  await partial.readInto(target, 0)
  assertBytes(target, blob.bytes.subarray(0, PIECE))
})
