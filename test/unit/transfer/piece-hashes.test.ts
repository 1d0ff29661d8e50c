import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import { PieceLayout } from '../../../src/piece/piece-layout.ts'
import type { HashRun } from '../../../src/swarm/index.ts'
import { PieceHashes } from '../../../src/transfer/piece-hashes.ts'
import { PIECE, pieceOf, sha256, testBlob } from '../store/store-fixture.ts'
import { linkRun, linksOf } from './fixture.ts'

const blob = testBlob(6 * PIECE, 1)
const hashOf = (piece: number): Uint8Array => sha256(pieceOf(blob, piece))
const other = new Uint8Array(32).fill(7)
const sign = (first: number): Uint8Array => Uint8Array.of(first)

function runOf(first: number, count: number, signature?: Uint8Array): HashRun {
  const hashes = Buffer.concat(Array.from({ length: count }, (_, i) => hashOf(first + i)))
  return signature === undefined ? { first, hashes } : { first, hashes, signature }
}

test("a peer's word is kept but not trusted, a vouched hash and an own one are", () => {
  const pieceHashes = new PieceHashes(blob.layout)
  pieceHashes.addRun(runOf(0, 1), 'word')
  pieceHashes.addRun(runOf(1, 1), 'vouched')
  pieceHashes.setOwn(2, hashOf(2))
  assert.deepEqual(
    [0, 1, 2, 3].map((piece) => [
      pieceHashes.hash(piece) !== undefined,
      pieceHashes.trusted(piece),
      pieceHashes.vouched(piece),
    ]),
    [
      [true, false, false],
      [true, true, true],
      [true, true, false],
      [false, false, false],
    ],
  )
})

test('a run teaches nothing when all its hashes are trusted and the same', () => {
  const pieceHashes = new PieceHashes(blob.layout)
  pieceHashes.addRun(runOf(0, 2), 'vouched')
  pieceHashes.addRun(runOf(2, 1), 'word')
  pieceHashes.setOwn(3, hashOf(3))
  assert.equal(pieceHashes.covers(runOf(0, 2)), true)
  assert.equal(pieceHashes.covers(runOf(3, 1)), true)
  assert.equal(pieceHashes.covers(runOf(1, 2)), false, 'a word becomes a proof')
  assert.equal(pieceHashes.covers(runOf(3, 2)), false, 'one hash is new')
  assert.equal(pieceHashes.covers({ first: 0, hashes: other }), false, 'another hash')
  assert.equal(pieceHashes.covers({ first: 6, hashes: other }), false, 'out of range')
})

test('a hash of lower rank never replaces one of higher rank', () => {
  const pieceHashes = new PieceHashes(blob.layout)
  pieceHashes.addRun(runOf(0, 1), 'vouched')
  pieceHashes.setOwn(1, hashOf(1))
  assert.deepEqual(pieceHashes.addRun({ first: 0, hashes: other }, 'word').overruled, [])
  assert.deepEqual(pieceHashes.addRun({ first: 1, hashes: other }, 'vouched').overruled, [])
  assert.deepEqual(Buffer.from(pieceHashes.hash(0) ?? []), Buffer.from(hashOf(0)))
  assert.deepEqual(Buffer.from(pieceHashes.hash(1) ?? []), Buffer.from(hashOf(1)))
})

test('a vouched run tells which pieces were known by another hash on a word only', () => {
  const pieceHashes = new PieceHashes(blob.layout)
  pieceHashes.addRun({ first: 2, hashes: other }, 'word')
  pieceHashes.addRun(runOf(3, 1), 'word')
  const answer = pieceHashes.addRun(runOf(1, 4), 'vouched')
  assert.deepEqual(answer, { first: 1, count: 4, overruled: [2] })
  assert.ok(pieceHashes.trusted(2))
})

test('runs beyond the blob, or of torn hashes, are ignored', () => {
  const pieceHashes = new PieceHashes(blob.layout)
  assert.equal(pieceHashes.addRun(runOf(0, 1), 'word').count, 1)
  assert.equal(pieceHashes.addRun({ first: 5, hashes: new Uint8Array(64) }, 'vouched').count, 0)
  assert.equal(pieceHashes.addRun({ first: 1, hashes: new Uint8Array(33) }, 'vouched').count, 0)
  assert.equal(pieceHashes.hash(5), undefined)
})

test('with a signer, pieces that are here go out in as few runs as possible, signed', () => {
  const pieceHashes = new PieceHashes(blob.layout)
  for (let piece = 0; piece < 6; piece++) pieceHashes.setOwn(piece, hashOf(piece))
  const have = Bitfield.full(6)
  have.clear(3)
  assert.deepEqual(
    pieceHashes.runs(have, sign).map(({ first, hashes, signature }) => [first, hashes.length / 32, signature?.[0]]),
    [
      [0, 3, 0],
      [4, 2, 4],
    ],
  )
})

test('a word is never handed on, not even signed', () => {
  const pieceHashes = new PieceHashes(blob.layout)
  pieceHashes.addRun(runOf(0, 6), 'word')
  assert.deepEqual(pieceHashes.runs(undefined, sign), [])
  assert.deepEqual(pieceHashes.runs(undefined, undefined), [])
})

test('without a signer, vouched runs are passed on as they came, and once each', () => {
  const pieceHashes = new PieceHashes(blob.layout)
  const signature = Uint8Array.of(1, 2, 3)
  pieceHashes.addRun(runOf(0, 2, signature), 'vouched')
  pieceHashes.addRun(runOf(2, 2, signature), 'vouched')
  pieceHashes.addRun(runOf(2, 1, signature), 'vouched')
  assert.deepEqual(pieceHashes.runs(undefined, undefined), [runOf(0, 2, signature), runOf(2, 2, signature)])
  pieceHashes.addRun(runOf(0, 6, signature), 'vouched')
  assert.deepEqual(pieceHashes.runs(undefined, undefined), [runOf(0, 6, signature)])
})

test('without a signer and vouched runs, own hashes go out as a word', () => {
  const pieceHashes = new PieceHashes(blob.layout)
  pieceHashes.setOwn(1, hashOf(1))
  assert.deepEqual(pieceHashes.runs(undefined, undefined), [{ first: 1, hashes: new Uint8Array(hashOf(1)) }])
})

test('a proven whole makes every hash an own one; clearing forgets all', () => {
  const pieceHashes = new PieceHashes(blob.layout)
  pieceHashes.addRun(runOf(0, 6), 'word')
  pieceHashes.proven()
  assert.ok(pieceHashes.trusted(5))
  pieceHashes.clear()
  assert.equal(pieceHashes.hash(0), undefined)
  assert.deepEqual(pieceHashes.runs(undefined, undefined), [])
})

test('what is passed on never replaces what the cache itself has said, nor another that was passed on', () => {
  const pieceHashes = new PieceHashes(blob.layout)
  const stale = new Uint8Array(32).fill(7)
  pieceHashes.addRun({ first: 0, hashes: stale }, 'passed')
  assert.deepEqual(pieceHashes.addRun(runOf(0, 1), 'passed').overruled, [])
  assert.deepEqual([pieceHashes.hash(0), pieceHashes.trusted(0), pieceHashes.vouched(0)], [stale, true, false])
  assert.deepEqual(pieceHashes.addRun(runOf(0, 1), 'vouched').overruled, [0])
  assert.deepEqual(pieceHashes.addRun({ first: 0, hashes: stale }, 'passed').overruled, [])
  assert.deepEqual([pieceHashes.hash(0), pieceHashes.vouched(0)], [sha256(pieceOf(blob, 0)), true])
})

test('a passed hash that did not hold is forgotten, a vouched one is not', () => {
  const pieceHashes = new PieceHashes(blob.layout)
  pieceHashes.addRun(runOf(0, 1), 'passed')
  pieceHashes.addRun(runOf(1, 1), 'vouched')
  for (const piece of [0, 1]) pieceHashes.doubt(piece)
  assert.deepEqual([pieceHashes.hash(0), pieceHashes.vouched(1)], [undefined, true])
})

test('the hashes of a huge blob go out in several runs, none of which takes long to sign', () => {
  const pieces = 40_000
  const layout = new PieceLayout(blob.digest, pieces * 2 * 1024 * 1024)
  assert.equal(layout.count, pieces)
  const pieceHashes = new PieceHashes(layout)
  pieceHashes.addRun({ first: 0, hashes: new Uint8Array(32 * pieces) }, 'vouched')
  const runs = pieceHashes.runs(undefined, sign)
  const ends = runs.map(({ first, hashes }) => [first, first + hashes.length / 32])
  assert.deepEqual(ends, [
    [0, 16_384],
    [16_384, 32_768],
    [32_768, pieces],
  ])
})

test('of a link and a hash of one piece the one that is believed more is compared with, and of equals the link', () => {
  const links = linksOf(blob)
  const pieceHashes = new PieceHashes(blob.layout)
  pieceHashes.addRun(linkRun(links, 0, 2), 'word')
  pieceHashes.addRun(runOf(0, 1), 'vouched')
  pieceHashes.addRun(runOf(1, 1), 'word')
  assert.deepEqual(
    [0, 1].map((piece) => pieceHashes.hash(piece)?.length),
    [32, 64],
  )
  assert.deepEqual(
    [pieceHashes.vouched(0), pieceHashes.trusts(0, links(0)!), pieceHashes.trusts(0, hashOf(0))],
    [true, false, true],
  )
  // its bytes were compared with both
  pieceHashes.equate(0, hashOf(0), links(0)!)
  assert.ok(pieceHashes.trusts(0, links(0)!))
  pieceHashes.equate(1, hashOf(2), links(1)!)
  assert.equal(pieceHashes.trusts(1, links(1)!), false, 'nothing is known by that hash')
})

test('a hash that was made of bytes goes with the link that they were kept by', () => {
  const strange = linksOf(testBlob(6 * PIECE, 2))
  const pieceHashes = new PieceHashes(blob.layout)
  pieceHashes.addRun(linkRun(strange, 0, 2), 'passed')
  for (const piece of [0, 1]) pieceHashes.equate(piece, strange(piece)!, other)
  assert.equal(pieceHashes.runs(undefined, sign, ['hash']).length, 1)
  assert.deepEqual(pieceHashes.addRun(linkRun(linksOf(blob), 0, 1), 'vouched').overruled, [0])
  assert.deepEqual(
    pieceHashes.runs(undefined, sign, ['hash']).map(({ first }) => first),
    [1],
  )
})

test('states are signed run by run of one chain, and each piece is told once', () => {
  const links = linksOf(blob)
  const strange = linksOf(testBlob(6 * PIECE, 2))
  const pieceHashes = new PieceHashes(blob.layout)
  for (const piece of [0, 1, 2]) pieceHashes.setOwn(piece, links(piece)!)
  pieceHashes.setOwn(3, strange(3)!)
  for (const piece of [2, 4]) pieceHashes.setOwn(piece, hashOf(piece))
  const told = (kinds?: ('link' | 'hash')[]) =>
    pieceHashes
      .runs(undefined, sign, kinds)
      .map(({ first, hashes, before }) => [first, hashes.length / 32, before !== undefined])
  assert.deepEqual(told(), [
    [0, 3, true],
    [3, 1, true],
    [4, 1, false],
  ])
  assert.deepEqual(told(['hash']), [
    [2, 1, false],
    [4, 1, false],
  ])
  const [chain] = pieceHashes.runs(undefined, undefined)
  assert.deepEqual(chain, linkRun(links, 0, 3))
  const taught = new PieceHashes(blob.layout)
  taught.addRun(chain!, 'vouched')
  assert.deepEqual(Buffer.from(taught.hash(2) ?? []), Buffer.from(links(2)!))
  assert.ok(taught.covers(linkRun(links, 1, 2)))
  assert.equal(taught.covers({ ...linkRun(links, 1, 2), before: other }), false, 'another state before them')
})

test('a proven whole keeps what its pieces were compared with, and its chain', () => {
  const links = linksOf(blob)
  const pieceHashes = new PieceHashes(blob.layout)
  const signature = Uint8Array.of(1)
  pieceHashes.addRun(runOf(0, 2, signature), 'vouched')
  pieceHashes.addRun({ first: 2, hashes: other, signature }, 'passed')
  pieceHashes.addRun({ ...linkRun(links, 2, 4), signature }, 'vouched')
  assert.equal(
    pieceHashes.proven((piece) => (piece < 2 ? hashOf(piece) : links(piece)), links),
    false,
  )
  assert.deepEqual(pieceHashes.runs(undefined, undefined), [
    { ...linkRun(links, 2, 4), signature },
    runOf(0, 2, signature),
  ])
  assert.deepEqual(
    pieceHashes.runs(undefined, sign).map(({ first, hashes }) => [first, hashes.length / 32]),
    [[0, 6]],
  )
})
