import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { chainHash } from '../../../src/base/chain-hash.ts'
import { PieceLayout } from '../../../src/piece/piece-layout.ts'
import {
  areStates,
  hashOf,
  isLink,
  isProof,
  isProvenBy,
  leadToDigest,
  linkFrom,
  ProofMaker,
  packedProofs,
  packProofs,
} from '../../../src/piece/piece-proof.ts'
import type { TestBlob } from '../store/store-fixture.ts'
import { allPieces, PIECE, pieceOf, testBlob } from '../store/store-fixture.ts'

function madeOf(blob: TestBlob): ProofMaker {
  const maker = new ProofMaker(blob.layout)
  for (const piece of allPieces(blob)) maker.take(piece, pieceOf(blob, piece))
  return maker
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const other = bytes.slice()
  other[at]! ^= 1
  return other
}

test('each piece is proven by its own link, whatever else is there, and the last state is the digest', () => {
  const sizes = fc.integer({ min: PIECE + 1, max: 5 * PIECE })
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(), (size, seed, place) => {
      const blob = testBlob(size, seed)
      const { packed } = madeOf(blob)
      assert.ok(areStates(blob.layout, packed) && leadToDigest(blob.layout, packed))
      const proofs = packedProofs(blob.layout, packed)
      for (const piece of allPieces(blob).reverse()) {
        const bytes = pieceOf(blob, piece)
        assert.ok(isProvenBy(proofs(piece)!, blob.layout, piece, bytes))
        assert.ok(!isProvenBy(proofs(piece)!, blob.layout, piece, flipped(bytes, place % bytes.length)))
      }
    }),
    { numRuns: 20 },
  )
})

test('a link proves no bytes after another state, of another length, or in another place', () => {
  const blob = testBlob(3 * PIECE, 1)
  const proofs = packedProofs(blob.layout, madeOf(blob).packed)
  const bytes = pieceOf(blob, 1)
  const elsewhere = linkFrom(chainHash.start, blob.layout, 1, bytes)
  assert.notDeepEqual(elsewhere, proofs(1))
  const stolen = new Uint8Array(Buffer.concat([proofs(0)!.subarray(0, 32), proofs(1)!.subarray(32)]))
  assert.equal(isProvenBy(stolen, blob.layout, 1, bytes), false)
  assert.equal(isProvenBy(proofs(1)!, blob.layout, 1, bytes.subarray(64)), false)
  assert.equal(isProvenBy(proofs(1)!, blob.layout, 2, bytes), false, 'the last piece is padded')
})

test('proofs of one kind are packed and found again; a gap, two kinds or two chains are not packed', () => {
  const blob = testBlob(3 * PIECE + 9, 2)
  const { packed } = madeOf(blob)
  const links = packedProofs(blob.layout, packed)
  assert.deepEqual(packProofs(blob.layout, links), packed)
  const hashes = allPieces(blob).map((piece) => hashOf(pieceOf(blob, piece)))
  const packedHashes = packProofs(blob.layout, (piece) => hashes[piece])
  assert.equal(packedHashes?.length, 4 * 32)
  assert.deepEqual(packedProofs(blob.layout, packedHashes)(2), new Uint8Array(hashes[2]!))
  assert.equal(
    packProofs(blob.layout, (piece) => (piece === 2 ? undefined : links(piece))),
    undefined,
  )
  assert.equal(
    packProofs(blob.layout, (piece) => (piece === 2 ? hashes[2] : links(piece))),
    undefined,
  )
  const strange = linkFrom(chainHash.start, blob.layout, 2, pieceOf(blob, 2))
  assert.equal(
    packProofs(blob.layout, (piece) => (piece === 2 ? strange : links(piece))),
    undefined,
  )
})

test('states that do not begin or end as the digest has it lead nowhere', () => {
  const blob = testBlob(2 * PIECE, 3)
  const { packed } = madeOf(blob)
  for (const at of [0, packed.length - 1]) assert.equal(leadToDigest(blob.layout, flipped(packed, at)), false)
})

test('other digests, and blobs of one piece, keep to hashes', () => {
  for (const blob of [testBlob(2 * PIECE, 4, 'sha512'), testBlob(PIECE, 5)]) {
    const proof = packedProofs(blob.layout, madeOf(blob).packed)(0)!
    assert.deepEqual(Buffer.from(proof), createHash('sha256').update(pieceOf(blob, 0)).digest())
  }
})

test('what is neither as long as a hash nor as a link is no proof', () => {
  assert.deepEqual(
    [0, 31, 32, 33, 64, 96].map((length) => isProof(new Uint8Array(length))),
    [false, false, true, false, true, false],
  )
  assert.equal(isLink(new Uint8Array(32)), false)
  const layout = new PieceLayout(testBlob(1, 6).digest, 3 * PIECE)
  assert.equal(areStates(layout, new Uint8Array(3 * 32)), false)
})
