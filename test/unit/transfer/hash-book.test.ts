import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import type { HashRun } from '../../../src/swarm/index.ts'
import { HashBook } from '../../../src/transfer/hash-book.ts'
import { PIECE, pieceOf, sha256, testBlob } from '../store/store-fixture.ts'

const blob = testBlob(6 * PIECE, 1)
const hashOf = (piece: number): Uint8Array => sha256(pieceOf(blob, piece))
const other = new Uint8Array(32).fill(7)
const sign = (first: number): Uint8Array => Uint8Array.of(first)

function runOf(first: number, count: number, signature?: Uint8Array): HashRun {
  const hashes = Buffer.concat(Array.from({ length: count }, (_, i) => hashOf(first + i)))
  return signature === undefined ? { first, hashes } : { first, hashes, signature }
}

test("a peer's word is kept but not trusted, a vouched hash and an own one are", () => {
  const book = new HashBook(blob.layout)
  book.addRun(runOf(0, 1), 'word')
  book.addRun(runOf(1, 1), 'vouched')
  book.setOwn(2, hashOf(2))
  assert.deepEqual(
    [0, 1, 2, 3].map((piece) => [book.hash(piece) !== undefined, book.trusted(piece), book.vouched(piece)]),
    [
      [true, false, false],
      [true, true, true],
      [true, true, false],
      [false, false, false],
    ],
  )
})

test('a run teaches nothing when all its hashes are trusted and the same', () => {
  const book = new HashBook(blob.layout)
  book.addRun(runOf(0, 2), 'vouched')
  book.addRun(runOf(2, 1), 'word')
  book.setOwn(3, hashOf(3))
  assert.equal(book.covers(runOf(0, 2)), true)
  assert.equal(book.covers(runOf(3, 1)), true)
  assert.equal(book.covers(runOf(1, 2)), false, 'a word becomes a proof')
  assert.equal(book.covers(runOf(3, 2)), false, 'one hash is new')
  assert.equal(book.covers({ first: 0, hashes: other }), false, 'another hash')
  assert.equal(book.covers({ first: 6, hashes: other }), false, 'out of range')
})

test('a hash of lower rank never replaces one of higher rank', () => {
  const book = new HashBook(blob.layout)
  book.addRun(runOf(0, 1), 'vouched')
  book.setOwn(1, hashOf(1))
  assert.deepEqual(book.addRun({ first: 0, hashes: other }, 'word').overruled, [])
  assert.deepEqual(book.addRun({ first: 1, hashes: other }, 'vouched').overruled, [])
  assert.deepEqual(Buffer.from(book.hash(0) ?? []), Buffer.from(hashOf(0)))
  assert.deepEqual(Buffer.from(book.hash(1) ?? []), Buffer.from(hashOf(1)))
})

test('a vouched run tells which pieces were known by another hash on a word only', () => {
  const book = new HashBook(blob.layout)
  book.addRun({ first: 2, hashes: other }, 'word')
  book.addRun(runOf(3, 1), 'word')
  const answer = book.addRun(runOf(1, 4), 'vouched')
  assert.deepEqual(answer, { first: 1, count: 4, overruled: [2] })
  assert.ok(book.trusted(2))
})

test('runs beyond the blob, or of torn hashes, are ignored', () => {
  const book = new HashBook(blob.layout)
  assert.equal(book.addRun(runOf(0, 1), 'word').count, 1)
  assert.equal(book.addRun({ first: 5, hashes: new Uint8Array(64) }, 'vouched').count, 0)
  assert.equal(book.addRun({ first: 1, hashes: new Uint8Array(33) }, 'vouched').count, 0)
  assert.equal(book.hash(5), undefined)
})

test('with a signer, pieces that are here go out in as few runs as possible, signed', () => {
  const book = new HashBook(blob.layout)
  for (let piece = 0; piece < 6; piece++) book.setOwn(piece, hashOf(piece))
  const have = Bitfield.full(6)
  have.clear(3)
  assert.deepEqual(
    book.runs(have, sign).map(({ first, hashes, signature }) => [first, hashes.length / 32, signature?.[0]]),
    [
      [0, 3, 0],
      [4, 2, 4],
    ],
  )
})

test('a word is never handed on, not even signed', () => {
  const book = new HashBook(blob.layout)
  book.addRun(runOf(0, 6), 'word')
  assert.deepEqual(book.runs(undefined, sign), [])
  assert.deepEqual(book.runs(undefined, undefined), [])
})

test('without a signer, vouched runs are passed on as they came, and once each', () => {
  const book = new HashBook(blob.layout)
  const signature = Uint8Array.of(1, 2, 3)
  book.addRun(runOf(0, 2, signature), 'vouched')
  book.addRun(runOf(2, 2, signature), 'vouched')
  book.addRun(runOf(2, 1, signature), 'vouched')
  assert.deepEqual(book.runs(undefined, undefined), [runOf(0, 2, signature), runOf(2, 2, signature)])
  book.addRun(runOf(0, 6, signature), 'vouched')
  assert.deepEqual(book.runs(undefined, undefined), [runOf(0, 6, signature)])
})

test('without a signer and vouched runs, own hashes go out as a word', () => {
  const book = new HashBook(blob.layout)
  book.setOwn(1, hashOf(1))
  assert.deepEqual(book.runs(undefined, undefined), [{ first: 1, hashes: new Uint8Array(hashOf(1)) }])
})

test('a proven whole makes every hash an own one; clearing forgets all', () => {
  const book = new HashBook(blob.layout)
  book.addRun(runOf(0, 6), 'word')
  book.proven()
  assert.ok(book.trusted(5))
  book.clear()
  assert.equal(book.hash(0), undefined)
  assert.deepEqual(book.runs(undefined, undefined), [])
})

test('what is passed on never replaces what the cache itself has said, nor another that was passed on', () => {
  const book = new HashBook(blob.layout)
  const stale = new Uint8Array(32).fill(7)
  book.addRun({ first: 0, hashes: stale }, 'passed')
  assert.deepEqual(book.addRun(runOf(0, 1), 'passed').overruled, [])
  assert.deepEqual([book.hash(0), book.trusted(0), book.vouched(0)], [stale, true, false])
  assert.deepEqual(book.addRun(runOf(0, 1), 'vouched').overruled, [0])
  assert.deepEqual(book.addRun({ first: 0, hashes: stale }, 'passed').overruled, [])
  assert.deepEqual([book.hash(0), book.vouched(0)], [sha256(pieceOf(blob, 0)), true])
})

test('a passed hash that did not hold is forgotten, a vouched one is not', () => {
  const book = new HashBook(blob.layout)
  book.addRun(runOf(0, 1), 'passed')
  book.addRun(runOf(1, 1), 'vouched')
  for (const piece of [0, 1]) book.doubt(piece)
  assert.deepEqual([book.hash(0), book.vouched(1)], [undefined, true])
})
