import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../../src/oci/digest.ts'
import { MAX_BLOB_BYTES } from '../../../src/oci/manifest.ts'
import {
  MAX_PIECE_BYTES,
  MAX_PIECES,
  MIN_PIECE_BYTES,
  PieceLayout,
  pieceSizeFor,
} from '../../../src/piece/piece-layout.ts'

const DIGEST = digestOf(new Uint8Array(0))
const KIB = 1024
const MIB = 1024 * KIB

describe('piece sizes', () => {
  // every node must cut alike: these values are part of the protocol
  for (const [size, piece] of [
    [0, 128 * KIB],
    [1, 128 * KIB],
    [64 * MIB, 128 * KIB],
    [64 * MIB + 1, 256 * KIB],
    [128 * MIB, 256 * KIB],
    [128 * MIB + 1, 512 * KIB],
    [256 * MIB, 512 * KIB],
    [256 * MIB + 1, MIB],
    [512 * MIB + 1, 2 * MIB],
    [1024 * MIB + 1, 2 * MIB],
    [100 * 1024 * MIB, 2 * MIB],
    [256 * 1024 * MIB, 2 * MIB],
    [256 * 1024 * MIB + 1, 4 * MIB],
    [512 * 1024 * MIB, 4 * MIB],
  ] as const) {
    it(`are ${piece / KIB} KiB for ${size} bytes`, () => assert.equal(pieceSizeFor(size), piece))
  }

  it('are powers of two within the bounds and never shrink as blobs grow', () => {
    let before = 0
    for (let size = 1; size < 2 ** 36; size = Math.ceil(size * 1.7)) {
      const piece = pieceSizeFor(size)
      assert.ok(piece >= MIN_PIECE_BYTES && piece <= MAX_PIECE_BYTES && piece >= before)
      assert.equal(piece & (piece - 1), 0)
      before = piece
    }
  })
})

describe('a piece layout', () => {
  for (const size of [1, 128 * KIB - 1, 128 * KIB, 128 * KIB + 1, 100 * MIB + 7, 5 * 1024 * MIB + 123]) {
    it(`covers ${size} bytes without gap or overlap`, () => {
      const layout = new PieceLayout(DIGEST, size)
      let at = 0
      for (let piece = 0; piece < layout.count; piece++) {
        const { start, end } = layout.range(piece)
        assert.equal(start, at)
        assert.equal(end - start, layout.length(piece))
        assert.ok(end > start)
        assert.equal(layout.pieceAt(start), piece)
        assert.equal(layout.pieceAt(end - 1), piece)
        at = end
      }
      assert.equal(at, size)
    })
  }

  it('of an empty blob has no pieces', () => assert.equal(new PieceLayout(DIGEST, 0).count, 0))
})

it('a blob of more pieces than the wire can name has no layout, and one of just as many has', () => {
  assert.equal(new PieceLayout(DIGEST, MAX_BLOB_BYTES).count, MAX_PIECES)
  for (const size of [MAX_BLOB_BYTES + 1, 2 ** 50, Number.POSITIVE_INFINITY, Number.NaN, -1, 0.5]) {
    assert.throws(() => new PieceLayout(DIGEST, size), { code: 'UNAVAILABLE' })
  }
})
