import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import { PrefixDigest } from '../../../src/transfer/prefix-digest.ts'
import { PIECE, pieceOf, testBlob } from '../store/store-fixture.ts'

for (const algorithm of ['sha256', 'sha512']) {
  test(`pieces in any order prove the whole (${algorithm})`, async () => {
    const blob = testBlob(3 * PIECE + 17, 2, algorithm)
    const digest = new PrefixDigest(blob.layout)
    const have = new Bitfield(4)
    const reads: number[] = []
    const readInto = async (target: Uint8Array, offset: number): Promise<void> => {
      reads.push(blob.layout.pieceAt(offset))
      target.set(blob.bytes.subarray(offset, offset + target.length))
    }
    for (const piece of [2, 0, 3, 1]) {
      have.set(piece)
      digest.offer(piece, pieceOf(blob, piece))
      await digest.catchUp(have, new Uint8Array(PIECE), readInto)
    }
    assert.ok(digest.done && digest.proven())
    // only what came before its turn is read back
    assert.deepEqual(reads, [2, 3])
  })
}

test('one wrong byte is no proof, and the right pieces after a restart are', () => {
  const blob = testBlob(2 * PIECE, 3)
  const digest = new PrefixDigest(blob.layout)
  const wrong = pieceOf(blob, 0).slice()
  wrong[100]! ^= 1
  digest.offer(0, wrong)
  digest.offer(1, pieceOf(blob, 1))
  assert.ok(digest.done)
  assert.equal(digest.proven(), false)
  digest.restart()
  assert.equal(digest.next, 0)
  for (const piece of [0, 1]) digest.offer(piece, pieceOf(blob, piece))
  assert.ok(digest.proven())
})

test('what was being read when the hash restarted is not taken in', async () => {
  const blob = testBlob(2 * PIECE, 4)
  const digest = new PrefixDigest(blob.layout)
  const have = Bitfield.full(2)
  let restarted = false
  await digest.catchUp(have, new Uint8Array(PIECE), async (target, offset) => {
    target.set(blob.bytes.subarray(offset, offset + target.length))
    if (restarted) return
    restarted = true
    target[0]! ^= 1
    digest.restart()
  })
  assert.ok(digest.proven())
})
