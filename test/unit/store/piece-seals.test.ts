import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hashOf, packedProofs } from '../../../src/piece/piece-proof.ts'
import { pieceMatches } from '../../../src/store/piece-check.ts'
import { PieceSeals } from '../../../src/store/piece-seals.ts'
import { seededBytes, testBlob } from './store-fixture.ts'

const PIECE = 128 * 1024

test('a seal holds for the bytes that were compared, and for none that differ in one bit', () => {
  const bit = fc.nat(PIECE * 8 - 1)
  fc.assert(
    fc.property(fc.nat(), bit, (seed, at) => {
      const seals = new PieceSeals()
      const bytes = seededBytes(PIECE, seed)
      const proof = hashOf(bytes)
      assert.equal(seals.holds(proof, bytes), false, 'nobody has compared them')
      seals.add(proof, bytes)
      assert.equal(seals.holds(proof, bytes), true)
      bytes[at >> 3]! ^= 1 << (at & 7)
      assert.equal(seals.holds(proof, bytes), false)
    }),
    { numRuns: 50 },
  )
})

test('a seal says nothing of another proof, of a part, or under another key', () => {
  const seals = new PieceSeals()
  const bytes = seededBytes(PIECE, 1)
  const proof = hashOf(bytes)
  seals.add(proof, bytes)
  assert.equal(seals.holds(hashOf(seededBytes(PIECE, 2)), bytes), false)
  assert.equal(seals.holds(proof, bytes.subarray(0, PIECE - 1)), false)
  assert.equal(new PieceSeals().holds(proof, bytes), false, 'its key is its own')
})

test('a piece that matched once is compared anew each time, and what has no seal is hashed', () => {
  const { layout } = testBlob(2 * PIECE, 1)
  const right = seededBytes(PIECE, 3)
  const wrong = seededBytes(PIECE, 4)
  const proofs = packedProofs(layout, Buffer.concat([hashOf(right), hashOf(seededBytes(PIECE, 5))]))
  assert.equal(pieceMatches(layout, 0, wrong, proofs), false)
  assert.equal(pieceMatches(layout, 0, right, proofs), true)
  assert.equal(pieceMatches(layout, 0, right, proofs), true)
  assert.equal(pieceMatches(layout, 0, wrong, proofs), false)
  assert.equal(pieceMatches(layout, 1, right, proofs), false)
  assert.equal(pieceMatches(layout, 2, right, proofs), false, 'it has no proof')
})
