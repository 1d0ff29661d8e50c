import assert from 'node:assert/strict'
import { constants } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FilePool } from '../../../src/base/file-pool.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { MAX_BLOB_BYTES } from '../../../src/oci/manifest.ts'
import { setBits } from '../../../src/piece/bitfield.ts'
import { MAX_PIECES, PieceLayout } from '../../../src/piece/piece-layout.ts'
import { HASH_BYTES, packedProofs } from '../../../src/piece/piece-proof.ts'
import { CheckedFile } from '../../../src/store/checked-file.ts'
import { writeFully } from '../../../src/store/files.ts'
import { resumePieces } from '../../../src/store/resume.ts'
import {
  decodeBlobRow,
  decodePartialRow,
  decodeProofsRow,
  encodeBlobRow,
  encodePartialRow,
  pieceKey,
  proofsKey,
} from '../../../src/store/rows.ts'
import { StoreIndex } from '../../../src/store/store-index.ts'
import { encodeFrame, parseResult } from '../../../src/swarm/wire.ts'
import { transferRequests } from '../../../src/transfer/index.ts'
import { frameOf, read } from '../../support/said.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { assertBytes, seededBytes, sha256 } from './store-fixture.ts'

const DIGEST = digestOf(Buffer.from('the largest blob there can be'))
const LARGEST = new PieceLayout(DIGEST, MAX_BLOB_BYTES)

test('rows hold the sizes, pieces and proofs of the largest blob', async (t) => {
  const row = { size: MAX_BLOB_BYTES, pieceSize: LARGEST.pieceSize, lastUsedEpochMs: Date.now() }
  assert.deepEqual(decodePartialRow(encodePartialRow(row)), row)
  assert.deepEqual(decodeBlobRow(encodeBlobRow(row)), { size: row.size, lastUsedEpochMs: row.lastUsedEpochMs })
  await using index = await StoreIndex.open(join(await tempDir(t), 'level'), silentLogger)
  const proofs = seededBytes(MAX_PIECES * HASH_BYTES, 1)
  await index.write([[proofsKey(DIGEST), proofs]], { sync: true })
  assertBytes(decodeProofsRow(await index.get(proofsKey(DIGEST)), LARGEST.count), proofs)
})

test('pieces at the end of the largest blob are written, resumed and read', async (t) => {
  const directory = await tempDir(t)
  await using index = await StoreIndex.open(join(directory, 'level'), silentLogger)
  const file = await new FilePool().open(join(directory, 'partial'), constants.O_RDWR | constants.O_CREAT)
  t.after(() => file.close())
  await file.truncate(MAX_BLOB_BYTES)
  const pieces = [0, MAX_PIECES / 2, MAX_PIECES - 1]
  const proofs = new Uint8Array(MAX_PIECES * HASH_BYTES)
  for (const piece of pieces) {
    const bytes = seededBytes(LARGEST.length(piece), piece)
    await writeFully(file, bytes, LARGEST.range(piece).start)
    proofs.set(sha256(bytes), piece * HASH_BYTES)
    await index.write([[pieceKey(DIGEST, piece), sha256(bytes)]], { sync: false })
  }
  const { content, storedBytes, brokenKeys } = await resumePieces(index, LARGEST, file)
  assert.deepEqual([[...setBits(content.have)], storedBytes, brokenKeys], [pieces, 3 * LARGEST.pieceSize, []])
  const reader = new CheckedFile({ layout: LARGEST, file, proofs: packedProofs(LARGEST, proofs) })
  const tail = new Uint8Array(1000)
  assert.equal(await reader.readInto(tail, MAX_BLOB_BYTES - tail.length), undefined)
  assertBytes(tail, seededBytes(LARGEST.pieceSize, MAX_PIECES - 1).subarray(-tail.length))
})

test('all hashes of the largest blob, and which pieces of it a host has, fit into one frame', () => {
  const runs = [{ first: 0, hashes: new Uint8Array(MAX_PIECES * HASH_BYTES), signature: new Uint8Array(64) }]
  const result = { kind: 'swarm', size: MAX_BLOB_BYTES, peers: [], runs, members: 1 }
  const answer = read(encodeFrame({ frame: 'answer', id: 1, result }).subarray(4))
  assert.ok(answer.frame === 'answer')
  const parsed = parseResult(transferRequests.join, answer.result)
  assert.ok(parsed.kind === 'swarm' && parsed.runs[0]?.hashes.length === MAX_PIECES * HASH_BYTES)
  const bits = new Uint8Array(MAX_PIECES / 8).fill(0xff)
  const message = frameOf({ type: 'bitfield', blob: DIGEST, size: MAX_BLOB_BYTES, bits, queue: 0 })
  assert.equal(read(encodeFrame(message).subarray(4)).frame, 'message')
})
