import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requireDigest } from '../../../src/oci/digest.ts'
import {
  blobKey,
  decodeBlobRow,
  decodePartialRow,
  decodePieceRow,
  decodePinRow,
  decodeProofsRow,
  encodeBlobRow,
  encodePartialRow,
  encodePieceRow,
  encodePinRow,
  isTableKey,
  keyDigest,
  MAX_TABLE_KEY_BYTES,
  parsePieceKey,
  partialKey,
  pieceKey,
  pinKey,
  tablePrefix,
} from '../../../src/store/rows.ts'

const HEX = 'ab'.repeat(32)
const DIGEST = requireDigest(`sha256:${HEX}`)

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

test('keys are the ones of format 1', () => {
  assert.equal(blobKey(DIGEST), `b!sha256:${HEX}`)
  assert.equal(partialKey(DIGEST), `p!sha256:${HEX}`)
  assert.equal(pieceKey(DIGEST, 0x1f), `h!sha256:${HEX}!0000001f`)
  assert.equal(pinKey(DIGEST), `n!sha256:${HEX}`)
  assert.equal(tablePrefix('tags'), 't!tags!')
})

test('values are the bytes of format 1 and decode to what they were', () => {
  const blob = { size: 5 * 2 ** 32 + 1, lastUsedEpochMs: 1_700_000_000_123 }
  assert.equal(hex(encodeBlobRow(blob)), '00000005000000010000018bcfe5687b')
  assert.deepEqual(decodeBlobRow(encodeBlobRow(blob)), blob)

  const partial = { size: 1_000_000, pieceSize: 262_144, lastUsedEpochMs: 1 }
  assert.equal(hex(encodePartialRow(partial)), '00000000000f4240000400000000000000000001')
  assert.deepEqual(decodePartialRow(encodePartialRow(partial)), partial)

  const sha256 = new Uint8Array(32).fill(7)
  assert.equal(hex(encodePieceRow(sha256)), '07'.repeat(32))
  assert.deepEqual(decodePieceRow(encodePieceRow(sha256)), sha256)
  const link = new Uint8Array(64).fill(8)
  assert.equal(hex(encodePieceRow(link)), '08'.repeat(64))
  assert.deepEqual(decodePieceRow(encodePieceRow(link)), link)

  // of three pieces: so many hashes, or the states before, between and after them
  for (const length of [96, 128]) assert.equal(decodeProofsRow(new Uint8Array(length), 3)?.length, length)
  for (const length of [0, 64, 97, 160, 192]) assert.equal(decodeProofsRow(new Uint8Array(length), 3), undefined)

  assert.equal(hex(encodePinRow(Number.POSITIVE_INFINITY)), '7ff0000000000000')
  assert.equal(hex(encodePinRow(1_700_000_000_123)), '4278bcfe5687b000')
  assert.equal(decodePinRow(encodePinRow(Number.POSITIVE_INFINITY)), Number.POSITIVE_INFINITY)
})

test('values of another length or out of range do not decode', () => {
  for (const decode of [decodeBlobRow, decodePartialRow, decodePieceRow, decodePinRow]) {
    for (const length of [0, 7, 15, 17, 19, 21, 31, 33]) assert.equal(decode(new Uint8Array(length)), undefined)
  }
  assert.equal(decodeBlobRow(new Uint8Array(16).fill(0xff)), undefined)
  assert.equal(decodePartialRow(new Uint8Array(20)), undefined, 'a piece size of 0')
  assert.equal(decodePinRow(new Uint8Array(8).fill(0xff)), undefined, 'not a number')
})

test('keys parse back, and strange ones do not', () => {
  assert.equal(keyDigest(blobKey(DIGEST)), DIGEST)
  assert.equal(keyDigest('b!../../etc/passwd'), undefined)
  assert.deepEqual(parsePieceKey(pieceKey(DIGEST, 70_000)), { digest: DIGEST, piece: 70_000 })
  for (const key of ['h!', `h!${DIGEST}`, `h!${DIGEST}!1f`, `h!${DIGEST}!0000001F`, 'h!x!00000000']) {
    assert.equal(parsePieceKey(key), undefined, key)
  }
})

test('names and keys of tables are bounded', () => {
  for (const name of ['', 'Tags', 'a!b', '1a', 'a'.repeat(65)]) assert.equal(tablePrefix(name), undefined, name)
  assert.ok(isTableKey('é'.repeat(MAX_TABLE_KEY_BYTES / 2)))
  for (const key of ['', 'é'.repeat(MAX_TABLE_KEY_BYTES / 2 + 1), '\ud800']) assert.ok(!isTableKey(key))
})
