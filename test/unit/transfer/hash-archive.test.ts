import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import type { HashRun } from '../../../src/swarm/index.ts'
import { HashArchive } from '../../../src/transfer/hash-archive.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { openStore, PIECE, pieceOf, sha256, storeBlob, testBlob } from '../store/store-fixture.ts'

const blob = testBlob(3 * PIECE + 9, 1)

function runOf(first: number, count: number): HashRun {
  const hashes = Buffer.concat(Array.from({ length: count }, (_, i) => sha256(pieceOf(blob, first + i))))
  return { first, hashes: new Uint8Array(hashes) }
}

test('saved runs come back with their signatures, also from a store opened anew', async (t) => {
  const path = await tempDir(t)
  const saved = [{ ...runOf(0, 4), signature: Uint8Array.of(1, 2) }]
  {
    await using store = await openStore(path)
    await storeBlob(store, blob)
    await new HashArchive(store, systemClock).save(blob.layout, saved)
  }
  await using store = await openStore(path)
  assert.deepEqual(await new HashArchive(store, systemClock).load(blob.layout, undefined), saved)
})

test('the proven hashes of a blob are signed once for all who ask, whatever row is there', async (t) => {
  await using store = await openStore(await tempDir(t))
  await storeBlob(store, blob)
  const archive = new HashArchive(store, systemClock)
  await archive.save(blob.layout, [{ first: 0, hashes: new Uint8Array(4 * 32), signature: Uint8Array.of(9) }])
  let signed = 0
  const sign = (): Uint8Array => Uint8Array.of(++signed)
  const expected = [{ ...runOf(0, 4), signature: Uint8Array.of(1) }]
  assert.deepEqual(await archive.load(blob.layout, sign), expected)
  assert.deepEqual(await archive.load(blob.layout, sign), expected)
  assert.equal(signed, 1)
})

test('runs that overlap and leave a piece out do not count as all of them', async (t) => {
  await using store = await openStore(await tempDir(t))
  await storeBlob(store, blob)
  const archive = new HashArchive(store, systemClock)
  await archive.save(blob.layout, [runOf(0, 3), runOf(1, 2)])
  assert.deepEqual(await archive.load(blob.layout, undefined), [runOf(0, 4)])
})

test('a saved run that says otherwise than what the digest has proven is not passed on', async (t) => {
  await using store = await openStore(await tempDir(t))
  await storeBlob(store, blob)
  const archive = new HashArchive(store, systemClock)
  await archive.save(blob.layout, [{ first: 0, hashes: new Uint8Array(4 * 32), signature: Uint8Array.of(1) }])
  assert.deepEqual(await archive.load(blob.layout, undefined), [runOf(0, 4)])
})

test('there are no hashes of a blob that is not here', async (t) => {
  await using store = await openStore(await tempDir(t))
  assert.equal(await new HashArchive(store, systemClock).load(blob.layout, undefined), undefined)
})

test('rows of blobs that are gone are swept, others stay', async (t) => {
  await using store = await openStore(await tempDir(t))
  await storeBlob(store, blob)
  const archive = new HashArchive(store, systemClock)
  await archive.save(blob.layout, [runOf(0, 4)])
  await archive.sweep()
  assert.equal(await archive.shareable(blob.layout.digest), true)
  await store.remove(blob.layout.digest)
  await archive.sweep()
  assert.equal(await archive.shareable(blob.layout.digest), false)
})
