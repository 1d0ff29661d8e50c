import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { isShoalError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { PROOF_BYTES } from '../../../src/piece/piece-proof.ts'
import { StorePaths } from '../../../src/store/paths.ts'
import { proofsKey } from '../../../src/store/rows.ts'
import { StoreIndex } from '../../../src/store/store-index.ts'
import type { HashRun } from '../../../src/swarm/index.ts'
import { HashArchive } from '../../../src/transfer/hash-archive.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { contentOf, openStore, PIECE, pieceOf, sha256, storeBlob, testBlob } from '../store/store-fixture.ts'

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

test('what was signed of a blob whose index was damaged is not said of it once it is whole again', async (t) => {
  const path = await tempDir(t)
  const { digest } = blob.layout
  {
    await using store = await openStore(path)
    await storeBlob(store, blob)
  }
  {
    await using index = await StoreIndex.open(new StorePaths(path).level, silentLogger)
    const proofs = Uint8Array.from((await index.get(proofsKey(digest))) ?? [])
    proofs[2 * PROOF_BYTES]! ^= 1
    await index.write([[proofsKey(digest), proofs]], { sync: true })
  }
  await using store = await openStore(path)
  const archive = new HashArchive(store, systemClock)
  const sign = (): Uint8Array => Uint8Array.of(1)
  const wrong = await archive.load(blob.layout, sign)
  assert.notDeepEqual(wrong, [{ ...runOf(0, 4), signature: sign() }])
  await assert.rejects(contentOf(store, digest), (error) => isShoalError(error, 'STORE_CORRUPT'))
  await storeBlob(store, blob)
  assert.deepEqual(await archive.load(blob.layout, sign), [{ ...runOf(0, 4), signature: sign() }])
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
