import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { seededRng } from '../../../src/base/rng.ts'
import { chunkHead, creditRecord, UplinkDecoder } from '../../../src/swarm/uplink-records.ts'
import { PIECE_TLS } from '../../../src/swarm/wire-limits.ts'

function decoder(): { readonly uplink: UplinkDecoder; readonly credits: number[]; readonly control: () => Buffer } {
  const credits: number[] = []
  const chunks: Buffer[] = []
  const uplink = new UplinkDecoder({
    credit: (bytes) => credits.push(bytes),
    control: (bytes) => chunks.push(Buffer.from(bytes)),
  })
  return { uplink, credits, control: () => Buffer.concat(chunks) }
}

test('records have their golden bytes', () => {
  assert.equal(creditRecord(0x01020304).toString('hex'), '81020304')
  assert.equal(creditRecord(PIECE_TLS.maxWindowBytes).toString('hex'), '84000000')
  assert.equal(chunkHead(PIECE_TLS.maxChunkBytes).toString('hex'), '00010000')
})

test('credits and chunks are told apart however the bytes are cut', () => {
  const chunk = Buffer.from(Array.from({ length: 300 }, (_, i) => i % 251))
  const parts = [
    creditRecord(7),
    chunkHead(300),
    chunk,
    creditRecord(0),
    creditRecord(9),
    chunkHead(1),
    Buffer.of(0xff),
  ]
  const bytes = Buffer.concat(parts)
  for (const step of [1, 2, 3, 5, 64, bytes.length]) {
    const { uplink, credits, control } = decoder()
    for (let i = 0; i < bytes.length; i += step) uplink.push(bytes.subarray(i, i + step))
    assert.deepEqual(credits, [7, 0, 9], `in steps of ${step}`)
    assert.deepEqual(control(), Buffer.concat([chunk, Buffer.of(0xff)]), `in steps of ${step}`)
  }
})

test('a chunk of no length, or of too much, is refused before any of it', () => {
  for (const length of [0, PIECE_TLS.maxChunkBytes + 1, 0x7fff_ffff]) {
    const { uplink, control } = decoder()
    assert.throws(() => uplink.push(Buffer.concat([chunkHead(length), Buffer.alloc(10)])), { code: 'PEER_PROTOCOL' })
    assert.equal(control().length, 0)
  }
})

test('random bytes throw PEER_PROTOCOL or nothing', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const rng = seededRng(seed)
    const { uplink } = decoder()
    try {
      for (let i = 0; i < 20; i++) {
        uplink.push(Uint8Array.from({ length: rng.below(40) }, () => (rng.below(2) === 0 ? 0 : rng.below(256))))
      }
    } catch (error) {
      assert.ok(isShoalError(error, 'PEER_PROTOCOL'), `seed ${seed}: ${String(error)}`)
    }
  }
})
